"""Is it the same face? Pairs of photographs of persons whom no model has seen, by how alike their embeddings are.

    python examples/face_verification.py ../shared/data/cmu_faces

Embeddings learn from 14 persons and are scored on pairs of photographs of 6 others: eigenfaces, the classic; a backbone
that has seen things, not faces; a small network that learns to name the 14.
"""

import sys
from pathlib import Path

import numpy as np
import sharewise as sw
import torch
from sharewise.modalities.images import Decoding, EfficientNetLite0, Pooled, ResNet, decode
from sklearn.decomposition import PCA
from torch.nn import functional as F

UNSEEN, EPOCHS = 6, 15


def embedded(module: torch.nn.Module, x: torch.Tensor) -> np.ndarray:
    with torch.inference_mode():
        return torch.cat([module.eval()(batch) for batch in x.split(64)]).double().numpy()


def trained(x: torch.Tensor, who: torch.Tensor) -> torch.nn.Module:
    encoder = Pooled(ResNet(1, (16, 32, 64), stem=1))
    head = torch.nn.Linear(encoder.width, int(who.max()) + 1)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], lr=3e-3)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(32):
            optimizer.zero_grad()
            F.cross_entropy(head(encoder(x[rows])), who[rows]).backward()
            optimizer.step()
    return encoder


def main() -> None:
    torch.manual_seed(0)
    root = sys.argv[1] if len(sys.argv) > 1 else sys.exit("name the folder of cmu_faces")
    files = sorted(Path(root).glob("*/*_4.pgm"))
    names, who = np.unique([file.parent.name for file in files], return_inverse=True)
    new = np.isin(who, np.random.default_rng(0).permutation(len(names))[:UNSEEN])
    sw.tasks.Verification.check_unseen(who[~new], who[new])
    x = decode(files, Decoding(32, 32, channels=1)).batch(np.arange(len(files)))
    large = F.interpolate(x, size=64, mode="bilinear").expand(-1, 3, -1, -1)
    known = torch.from_numpy(np.unique(who[~new], return_inverse=True)[1])
    for name, found in {
        "eigenfaces": PCA(40, whiten=True, random_state=0).fit(x[~new].flatten(1)).transform(x.flatten(1)),
        "backbone": embedded(Pooled(EfficientNetLite0()), large),
        "network": embedded(trained(x[~new], known), x),
    }.items():
        centred = found - found[~new].mean(axis=0)  # by the known persons alone
        print(f"{name:10} {sw.tasks.Verification().told(centred[new], who[new])}")


if __name__ == "__main__":
    main()
