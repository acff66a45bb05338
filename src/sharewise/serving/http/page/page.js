"use strict";
// Everything from the model, the file or the server is put in as text; nothing is ever parsed as HTML.
const at = (id) => document.getElementById(id);
const make = (tag, text, ...inside) => {
  const found = document.createElement(tag);
  if (text !== undefined && text !== null) found.textContent = String(text);
  found.append(...inside);
  return found;
};
const SHOWN = 200; // rows of a table that the page shows
const LARGEST = 64e6; // bytes of a file that the page reads
let token = "", model = null;

async function ask(path, body) {
  const headers = token ? { Authorization: "Bearer " + token } : {};
  if (body) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
  const found = await answer.json().catch(() => ({ error: "the server gave no JSON" }));
  if (!answer.ok) throw Object.assign(new Error(found.error), { status: answer.status });
  return found;
}

const say = (place, text, kind) => place.replaceChildren(...(text ? [Object.assign(make("p", text), { className: kind || "" })] : []));

function shown(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number" && !Number.isInteger(value)) return String(Number(value.toPrecision(6)));
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value) && value.every((each) => typeof each === "string")) return value.join(" ");
  const text = JSON.stringify(value);
  return text.length > 300 ? text.slice(0, 300) + " …" : text;
}

const percent = (share) => (share === null ? "?" : `${share < 0 ? "−" : "+"}${Math.abs(100 * share).toFixed(1)}%`);

const within = (share, interval) => (share === null ? null : percent(share) + (interval ? ` (${percent(interval[0])} to ${percent(interval[1])})` : ""));

function scores() {
  const rows = model.scores.map((one) => [
    one.task, one.served_by, one.metric, one.score, one.constant,
    within(one.removed, one.removed_interval), within(one.gain, one.gain_interval), one.labels,
  ]);
  at("scores").hidden = !rows.length;
  at("scores").open = rows.length <= 12;
  const names = ["task", "served by", "metric", "score", "a constant guess", "error removed (interval)", "gain from sharing (interval)", "labels"];
  at("scores-table").replaceChildren(table("On rows that no model had seen, as the study measured it", names, rows));
}

function table(caption, names, rows) {
  const head = make("tr", null, ...names.map((name) => Object.assign(make("th", name), { scope: "col" })));
  const body = rows.map((row) => make("tr", null, ...row.map((value) => {
    const cell = make("td", shown(value));
    if (typeof value === "number") cell.className = "n";
    return cell;
  })));
  const found = make("div", null, make("table", null, make("caption", caption), make("thead", null, head), make("tbody", null, ...body)));
  found.className = "scroll";
  found.tabIndex = 0;
  found.setAttribute("role", "region");
  found.setAttribute("aria-label", caption);
  return found;
}

const PICTURES = "image/png,image/jpeg";

function input(field, place) {
  const id = "field-" + place, values = field.values;
  let control;
  if (field.kind === "truth" || (values && values.length <= 50 && field.kind !== "date")) {
    const options = field.kind === "truth" ? ["true", "false"] : values;
    control = make("select", null, ...(field.kind === "task" ? [] : [Object.assign(make("option", "(unknown)"), { value: "" })]),
      ...options.map((value) => Object.assign(make("option", value), { value })));
  } else {
    control = make(field.kind === "text" || field.kind === "sentence" ? "textarea" : "input");
    if (field.kind === "number") Object.assign(control, { type: "number", step: "any", inputMode: "decimal" });
    if (field.kind === "date") control.type = "date";
    if (field.kind === "picture") Object.assign(control, { type: "file", accept: PICTURES, required: true });
    if (values && control.tagName === "INPUT") {
      const list = make("datalist", null, ...values.map((value) => Object.assign(make("option"), { value })));
      list.id = id + "-list";
      document.body.append(list);
      control.setAttribute("list", list.id);
    }
  }
  control.id = id;
  if (field.kind === "task") control.required = field.required;
  const label = make("label", field.name);
  label.htmlFor = id;
  const found = make("div", null, label, control);
  found.className = "field";
  return found;
}

// One cell as the server takes it; throws a sentence where it cannot be.
function cell(field, text, where) {
  const value = text === undefined ? "" : text.trim();
  if (field.kind === "sentence") return value.split(/\s+/).filter(Boolean);
  if (field.kind === "task") return value;
  if (value === "") return null;
  if (field.kind === "truth") {
    const truth = { true: true, false: false }[value.toLowerCase()];
    if (truth !== undefined) return truth;
  }
  if (field.kind === "number" || field.kind === "truth") {
    const number = Number(value);
    if (Number.isFinite(number)) return number;
    if (/^(na|n\/a|nan|null|none|\?|-)$/i.test(value)) return null;
    throw new Error(`'${field.name}' holds numbers; ${where} has '${value}'.`);
  }
  return field.kind === "text" ? text : value;
}

// A file's text: UTF-8, what spreadsheets write with a mark before it, else the letters of western Windows.
async function textOf(file) {
  if (file.size > LARGEST) throw new Error(`a file has ${LARGEST / 1e6} MB at most here; '${file.name}' is larger. Use sharewise predict.`);
  const bytes = new Uint8Array(await file.arrayBuffer()), marks = { "255,254": "utf-16le", "254,255": "utf-16be" };
  const marked = marks[bytes.slice(0, 2).join()];
  if (marked) return new TextDecoder(marked).decode(bytes);
  try { return new TextDecoder("utf-8", { fatal: true }).decode(bytes); } catch { return new TextDecoder("windows-1252").decode(bytes); }
}

// A file as a data: URL, which the server takes for a picture.
const urlOf = (file) => new Promise((done, failed) => {
  const reader = new FileReader();
  reader.onload = () => done(reader.result);
  reader.onerror = () => failed(new Error(`'${file.name}' cannot be read.`));
  reader.readAsDataURL(file);
});

async function pictureOf(file) {
  if (!file) throw new Error("a picture is a PNG or JPEG file; choose one.");
  if (file.size * 1.34 > model.body) throw new Error(`a picture has ${Math.floor(model.body / 1.34e6)} MB at most; '${file.name}' is larger.`);
  return urlOf(file);
}

// Fields between commas, semicolons or tabs; quotes as in RFC 4180.
function readCsv(text) {
  const plain = text.replace(/^\ufeff/, ""), first = plain.split(/\r?\n/, 1)[0];
  const mark = ["\t", ";", ","].sort((a, b) => first.split(b).length - first.split(a).length)[0];
  const lines = [];
  let line = [], held = "", quoted = false;
  const next = () => { line.push(held); held = ""; };
  for (let i = 0; i < plain.length; i++) {
    const c = plain[i];
    if (quoted) {
      if (c !== '"') held += c;
      else if (plain[i + 1] === '"') { held += c; i++; }
      else quoted = false;
    } else if (c === '"' && held === "") quoted = true;
    else if (c === mark) next();
    else if (c === "\n") { next(); lines.push(line); line = []; }
    else if (c !== "\r") held += c;
  }
  if (quoted) throw new Error("a quoted field must end; one in the file does not.");
  if (held !== "" || line.length) { next(); lines.push(line); }
  const rows = lines.filter((each) => each.length > 1 || each[0].trim() !== "");
  if (rows.length < 2) throw new Error("a table has a header line and one row or more; this one has not.");
  const names = rows.shift().map((name) => name.trim());
  const double = names.find((name, place) => names.indexOf(name) !== place);
  if (double !== undefined) throw new Error(`column names must be unique; '${double}' came twice.`);
  rows.forEach((row, place) => {
    if (row.length !== names.length) throw new Error(`every row has ${names.length} fields as the header; row ${place + 1} has ${row.length}.`);
  });
  return { names, rows };
}

// Rows as objects of the fields that stand in the table.
function objects(csv, fields) {
  const there = fields.filter((field) => csv.names.includes(field.name)).map((field) => [field, csv.names.indexOf(field.name)]);
  return csv.rows.map((row, place) => Object.fromEntries(there.map(([field, at]) => [field.name, cell(field, row[at], `row ${place + 1}`)])));
}

const choice = () => (model.pool ? { tasks: [at("pool-task").value.trim()] } : {});
const shares = () => model.targets.some((target) => target.classes);

async function predictRow(event) {
  event.preventDefault();
  const place = at("row-result");
  try {
    const row = {};
    let look = null;
    for (const [i, field] of model.fields.entries()) {
      const control = at("field-" + i);
      if (field.kind === "picture") look = row[field.name] = await pictureOf(control.files[0]);
      else row[field.name] = cell(field, control.value, "the form");
    }
    for (const field of model.fields) if (!field.required && row[field.name] === "") delete row[field.name];
    const found = await ask("/predict", { rows: [row], probabilities: shares(), ...choice() });
    const lines = Object.entries(found.predictions[0]).map(([name, value]) => {
      const own = found.probabilities && found.probabilities[0][name];
      const told = own ? Object.entries(own).sort((a, b) => b[1] - a[1]).slice(0, 3).map(([label, p]) => `${label} ${(100 * p).toFixed(1)}%`).join(", ") : "";
      return [name, value, told];
    });
    place.replaceChildren(...(look ? [picture(look)] : []), table("Prediction", ["task", "prediction", "probabilities"], lines));
    for (const warning of found.warnings) place.append(Object.assign(make("p", warning), { className: "warn" }));
  } catch (error) { say(place, error.message, "bad"); }
}

const picture = (url) => Object.assign(make("img"), { src: url, alt: "the picture", className: "look" });

async function predictPictures(files) {
  const status = at("csv-status"), place = at("csv-result"), name = model.fields[0].name;
  const names = model.targets.map((target) => target.name), lines = [], found = [];
  place.replaceChildren();
  for (const file of files) {
    say(status, `${lines.length} of ${files.length} pictures predicted …`);
    try {
      const part = await ask("/predict", { rows: [{ [name]: await pictureOf(file) }], ...choice() });
      found.push({ file: file.name, ...part.predictions[0] });
      lines.push([file.name, ...names.map((each) => part.predictions[0][each])]);
    } catch (error) { lines.push([file.name, error.message]); }
  }
  say(status, `${found.length} of ${files.length} pictures predicted.`);
  place.append(table("Predictions by file", ["file", ...names], lines.slice(0, SHOWN)));
  if (found.length) place.append(download(["file", ...names], found));
}

async function predictTable(file) {
  const status = at("csv-status"), place = at("csv-result");
  place.replaceChildren();
  try {
    const csv = readCsv(await textOf(file)), rows = objects(csv, model.fields);
    const names = model.targets.map((target) => target.name), found = [], warnings = new Set();
    for (let i = 0; i < rows.length; i = found.length) {
      say(status, `${i.toLocaleString()} of ${rows.length.toLocaleString()} rows predicted …`);
      let end = i + 1, size = 200 + JSON.stringify(rows[i]).length; // letters beyond ASCII have up to three bytes each
      while (end < rows.length && end - i < Math.min(model.rows, 1000) && 3 * size < model.body) size += JSON.stringify(rows[end++]).length + 1;
      const part = await ask("/predict", { rows: rows.slice(i, end), ...choice() });
      found.push(...part.predictions);
      part.warnings.forEach((warning) => warnings.add(warning));
    }
    say(status, `${rows.length.toLocaleString()} rows predicted.`);
    const some = found.slice(0, SHOWN).map((each, i) => [i + 1, ...names.map((name) => each[name]), ...csv.rows[i]]);
    const caption = found.length > SHOWN ? `The first ${SHOWN} rows; the file below holds all` : "Predictions, beside what the file says";
    place.append(table(caption, ["row", ...names.map((name) => name + " (predicted)"), ...csv.names], some));
    for (const warning of warnings) place.append(Object.assign(make("p", warning), { className: "warn" }));
    place.append(download(names, found));
  } catch (error) { say(status, error.message, "bad"); }
}

// Spreadsheets compute what looks like a formula: text that does is held back by an apostrophe.
function quote(value) {
  let text = value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
  if (typeof value === "string" && /^([=@\t\r]|[+-].*[(|!])/s.test(text)) text = "'" + text;
  return /[",\n\r]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
}

function download(names, rows) {
  const text = [names, ...rows.map((row) => names.map((name) => row[name]))].map((line) => line.map(quote).join(",")).join("\r\n");
  const link = make("a", "Save the predictions as CSV");
  link.href = URL.createObjectURL(new Blob([text + "\r\n"], { type: "text/csv" }));
  link.download = "predictions.csv";
  return make("p", null, link);
}

async function adaptTask(event) {
  event.preventDefault();
  const place = at("adapt-result");
  try {
    const labels = model.targets.map((target) => ({ name: target.name, kind: target.classes ? "category" : "number" }));
    const csv = readCsv(at("adapt-rows").value);
    const rows = objects(csv, [...model.fields.filter((field) => field.kind !== "task"), ...labels]);
    for (const row of rows) for (const label of labels) if (row[label.name] === null) delete row[label.name];
    const found = await ask("/adapt", { task: at("adapt-task").value.trim(), rows, existing: at("adapt-existing").value });
    await about();
    const by = Object.entries(found.strategies).map(([target, strategy]) => `${target}: ${strategy}`).join(", ");
    say(place, `${found.task} is served now, from ${found.labels} labelled rows (${by}).`);
  } catch (error) { say(place, error.message, "bad"); }
}

const busy = (form, work) => form.addEventListener("submit", async (event) => {
  const button = form.querySelector("button");
  event.preventDefault();
  button.disabled = true;
  try { await work(event); } finally { button.disabled = false; button.focus(); }
});

async function about() {
  model = await ask("/model");
  at("sentence").textContent = model.sentence || "This model's folder holds no verdict.";
  const names = model.targets.map((target) => `${target.name} (${target.kind})`).join(", ");
  at("about").textContent = `Predicts ${names}. ${model.tasks.length.toLocaleString()} tasks are served.`;
  at("state").textContent = "ready";
  const asked = model.fields.some((field) => field.kind === "tensor"), seen = model.fields.some((field) => field.kind === "picture");
  scores();
  at("inputs").replaceChildren(...model.fields.filter((field) => field.kind !== "tensor").map(input));
  if (model.pool) {
    const own = { name: "task to predict", kind: "category", required: true, values: model.tasks.map((task) => task.name) };
    const control = input(own, "pool");
    control.querySelector("select, input").id = "pool-task";
    control.querySelector("label").htmlFor = "pool-task";
    at("inputs").prepend(control);
  }
  at("one").hidden = at("many").hidden = asked;
  at("new").hidden = !model.adapts || asked || seen;
  if (!seen) return;
  at("csv-title").textContent = "Predict pictures";
  at("csv-label").textContent = "PNG or JPEG files: drop them here, or choose them";
  Object.assign(at("csv"), { accept: PICTURES, multiple: true });
}

async function start() {
  try {
    await about();
    at("token-form").hidden = true;
  } catch (error) {
    at("state").textContent = error.status === 401 ? "locked" : "not ready";
    at("token-form").hidden = error.status !== 401;
    at("sentence").textContent = error.message;
  }
}

busy(at("row-form"), predictRow);
busy(at("adapt-form"), adaptTask);
busy(at("token-form"), async () => { token = at("token").value.trim(); await start(); });
const many = (files) => { if (files.length) (at("csv").multiple ? predictPictures([...files]) : predictTable(files[0])); };
for (const id of ["csv", "adapt-file"]) at(id).addEventListener("click", (event) => { event.target.value = ""; }); // a mended file of the same name is read anew
at("csv").addEventListener("change", (event) => many(event.target.files));
at("adapt-file").addEventListener("change", async (event) => {
  try {
    if (event.target.files[0]) at("adapt-rows").value = await textOf(event.target.files[0]);
  } catch (error) { say(at("adapt-result"), error.message, "bad"); }
});
const drop = at("drop");
for (const kind of ["dragover", "dragenter"]) drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  many(event.dataTransfer.files);
});
window.addEventListener("dragover", (event) => event.preventDefault()); // a file dropped beside the box opens nothing
window.addEventListener("drop", (event) => event.preventDefault());
start();
