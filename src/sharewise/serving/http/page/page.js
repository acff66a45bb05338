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
  return typeof value === "object" ? JSON.stringify(value) : String(value);
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
    const row = Object.fromEntries(model.fields.map((field, i) => [field.name, cell(field, at("field-" + i).value, "the form")]));
    for (const field of model.fields) if (!field.required && row[field.name] === "") delete row[field.name];
    const found = await ask("/predict", { rows: [row], probabilities: shares(), ...choice() });
    const lines = Object.entries(found.predictions[0]).map(([name, value]) => {
      const own = found.probabilities && found.probabilities[0][name];
      const told = own ? Object.entries(own).sort((a, b) => b[1] - a[1]).slice(0, 3).map(([label, p]) => `${label} ${(100 * p).toFixed(1)}%`).join(", ") : "";
      return [name, value, told];
    });
    place.replaceChildren(table("Prediction", ["task", "prediction", "probabilities"], lines));
    for (const warning of found.warnings) place.append(Object.assign(make("p", warning), { className: "warn" }));
  } catch (error) { say(place, error.message, "bad"); }
}

async function predictTable(file) {
  const status = at("csv-status"), place = at("csv-result");
  place.replaceChildren();
  try {
    const csv = readCsv(await file.text()), rows = objects(csv, model.fields);
    const names = model.targets.map((target) => target.name), found = [], warnings = new Set();
    const step = Math.min(model.rows, 1000);
    for (let i = 0; i < rows.length; i += step) {
      say(status, `${i.toLocaleString()} of ${rows.length.toLocaleString()} rows predicted …`);
      const part = await ask("/predict", { rows: rows.slice(i, i + step), ...choice() });
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

function download(names, rows) {
  const quote = (value) => { const text = value === null ? "" : String(value); return /[",\n\r]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text; };
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
  const asked = model.fields.some((field) => field.kind === "tensor");
  at("inputs").replaceChildren(...model.fields.filter((field) => field.kind !== "tensor").map(input));
  if (model.pool) {
    const own = { name: "task to predict", kind: "category", required: true, values: model.tasks.map((task) => task.name) };
    const control = input(own, "pool");
    control.querySelector("select, input").id = "pool-task";
    control.querySelector("label").htmlFor = "pool-task";
    at("inputs").prepend(control);
  }
  at("one").hidden = at("many").hidden = asked;
  at("new").hidden = !model.adapts || asked;
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
at("csv").addEventListener("change", (event) => { if (event.target.files[0]) predictTable(event.target.files[0]); });
at("adapt-file").addEventListener("change", async (event) => { if (event.target.files[0]) at("adapt-rows").value = await event.target.files[0].text(); });
const drop = at("drop");
for (const kind of ["dragover", "dragenter"]) drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  if (event.dataTransfer.files[0]) predictTable(event.dataTransfer.files[0]);
});
window.addEventListener("dragover", (event) => event.preventDefault()); // a file dropped beside the box opens nothing
window.addEventListener("drop", (event) => event.preventDefault());
start();
