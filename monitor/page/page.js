"use strict";

// The page shows /status each second and /history now and then. Whatever text comes from there becomes text nodes and
// attributes, never markup; the policy that the page is served with holds it to that.

const $ = id => document.getElementById(id);

// fill gives an element its attributes and its children; those that are null, undefined or "" are left out.
function fill(e, attributes, children) {
  for (const [name, value] of Object.entries(typeof attributes === "string" ? { class: attributes } : attributes)) {
    if (value !== "" && value !== null && value !== undefined) e.setAttribute(name, value);
  }
  e.append(...children.flat().filter(c => c !== null && c !== undefined && c !== ""));
  return e;
}

const element = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
const drawn = (name, attributes, ...children) => fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

// become makes an element like another one, and keeps what is the same: so that what is selected, focused or pointed at stays.
function become(old, made) {
  if (old.nodeName !== made.nodeName || old.nodeType === Node.ELEMENT_NODE && old.dataset.key !== made.dataset.key) {
    old.replaceWith(made);
    return;
  }
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== made.data) old.data = made.data;
    return;
  }
  for (const { name } of [...old.attributes]) if (!made.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of made.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  const before = [...old.childNodes], after = [...made.childNodes];
  after.forEach((child, i) => i < before.length ? become(before[i], child) : old.append(child));
  before.slice(after.length).forEach(child => child.remove());
}

// ---- words and numbers

function span(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s >= 86400) return `${Math.floor(s / 86400)}d ${Math.floor(s % 86400 / 3600)}h`;
  if (s >= 3600) return `${Math.floor(s / 3600)}h ${Math.floor(s % 3600 / 60)}m`;
  if (s >= 60) return `${Math.floor(s / 60)}m ${s % 60}s`;
  return `${s}s`;
}

// length is how long something took; what is shorter than a second is not nothing.
const length = seconds => seconds < 1 ? milliseconds(seconds) : seconds < 10 ? `${seconds.toFixed(1)}s` : span(seconds);

function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let i = 0;
  while (bytes >= 999.5 && i < units.length - 1) { bytes /= 1000; i++; }
  return `${bytes.toFixed(i === 0 || bytes >= 99.5 ? 0 : 1)} ${units[i]}`;
}

const milliseconds = s => s === 0 ? "0 ms" : s >= 0.01 ? `${Math.round(s * 1000)} ms` : `${(s * 1000).toFixed(s >= 0.001 ? 1 : 2)} ms`;
const rate = bytes => `${size(bytes)}/s`;
const since = (time, now) => span((now - Date.parse(time)) / 1000);
const flow = (bytes, now) => size(bytes) + (now >= 1 ? ` (${rate(now).replace(" ", "\u00a0")})` : "");
const count = (n, thing) => `${n} ${thing}${n === 1 ? "" : "s"}`;
const clock = ms => new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const exactly = ms => new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const quoted = word => /^[\w@%+=:,.\/-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;

// ---- what wants a look comes first

const carries = t => t.state === "up" || t.state === "suspect";
const isDown = t => t.down_since && (t.attempts > 0 || t.state === "waiting");

function severity(t) {
  if (t.state === "failed") return 4;
  if (isDown(t)) return 3;
  if (t.state === "suspect") return 2;
  return t.missing ? 1 : 0;
}

function stateText(t, now) {
  if (!isDown(t)) return [`${t.state} ${since(t.since, now)}`, held(t, now)].filter(Boolean).join(" · ");
  const words = [`down ${since(t.down_since, now)}`];
  if (t.retry_at) words.push(`attempt ${t.attempts + 1} in ${length(Math.max(0, Date.parse(t.retry_at) - now) / 1000)}`);
  else if (t.state === "connecting") words.push(`attempt ${t.attempts + 1}`);
  return [...words, held(t, now)].filter(Boolean).join(" · ");
}

// whyNot is why a tunnel does not serve everything that it should.
function whyNot(t) {
  if (t.why && !carries(t) && severity(t)) return t.why;
  return carries(t) && t.missing ? t.missing[0].slice(`${t.name}: `.length) : "";
}

function held(t, now) {
  if (!t.held) return "";
  return `${t.held} held` + (t.held_since ? `, ${t.held > 1 ? "the oldest " : ""}for ${since(t.held_since, now)}` : "");
}

// ---- the last 24 hours

const day = 24 * 3600 * 1000;

// upToNow returns a series that ends now. A tunnel that has failed is not measured any more: it is down.
function upToNow(t, series, steps, now) {
  const step = series.step_seconds * 1000, failed = t.state === "failed";
  if (!series.first && !failed) return series;
  const first = Math.floor((series.first ? Date.parse(series.first) : Date.parse(t.since)) / step) * step;
  const missing = Math.min(steps, Math.floor((now - first) / step) + 1 - series.seen_seconds.length);
  const grown = { ...series, first: new Date(Math.max(first, (Math.floor(now / step) - steps + 1) * step)).toISOString() };
  for (const name of ["seen_seconds", "down_seconds", "rate_in", "rate_out", "rtt_low_seconds", "rtt_high_seconds"]) {
    const value = failed && name.endsWith("n_seconds") ? series.step_seconds : 0;
    grown[name] = [...series[name], ...Array(Math.max(0, missing)).fill(value)].slice(-steps);
  }
  return grown;
}

// share is how much of the time that was seen the tunnel was not down; null: nothing was seen yet.
function share(series) {
  const sum = list => list.reduce((a, b) => a + b, 0);
  const seen = sum(series.seen_seconds);
  return seen > 0 ? 1 - Math.min(1, sum(series.down_seconds) / seen) : null;
}

// percent never rounds up to 100.
function percent(part) {
  const text = part > 0.9995 ? (Math.floor(part * 1e5) / 1e3).toFixed(3) : (Math.floor(part * 1e4) / 100).toFixed(2);
  return part === 1 ? "100 %" : `${text} %`;
}

// bar draws a column for each five minutes of the last 24 hours: nothing known, up, down for less than half of it, or down.
function bar(history, now, className) {
  const picture = drawn("svg", { class: className, viewBox: "0 0 288 12", preserveAspectRatio: "none", role: "img" });
  picture.append(drawn("rect", { class: "none", width: 288, height: 12 }, drawn("title", {}, "tunneld was not running, or nothing is known")));
  const { seen_seconds: seen, down_seconds: down, step_seconds: step, first } = history.day;
  const place = i => 288 - seen.length + i;
  for (const [from, to] of runs(seen, s => s > 0)) {
    picture.append(drawn("rect", { class: "fine", x: place(from), width: to - from, height: 12 }, drawn("title", {}, "up")));
  }
  for (let i = 0; i < down.length; i++) {
    if (down[i] === 0) continue;
    const long = down[i] > seen[i] / 2, height = long ? 12 : 6;
    const begin = Date.parse(first) + i * step * 1000;
    const causes = history.causes.filter(o => Date.parse(o.ended) >= begin && Date.parse(o.began) < begin + step * 1000).map(o => o.why);
    picture.append(drawn("rect", { class: long ? "long" : "short", x: Math.min(place(i), 286), y: 12 - height, width: 2, height },
      drawn("title", {}, `${clock(begin)}: down ${length(down[i])}${causes.length ? ": " + [...new Set(causes)].join(", ") : ""}`)));
  }
  const part = share(history.day);
  picture.setAttribute("aria-label", part === null ? "nothing is known of the last 24 hours" : `up ${percent(part)} of the last 24 hours`);
  return picture;
}

// runs returns [from, to) of the places in a row for which test is true.
function runs(list, test) {
  const found = [];
  list.forEach((value, i) => {
    if (!test(value)) return;
    const last = found[found.length - 1];
    if (last && last[1] === i) last[1]++;
    else found.push([i, i + 1]);
  });
  return found;
}

// goesOn returns the outage that a tunnel is in; null: it is in none.
function goesOn(t, known, now) {
  const failed = t.state === "failed", o = !failed && known.outage || {};
  if (!failed && !isDown(t) && !(t.down_since && o.began)) return null;
  return { began: o.began || failed && t.since || t.down_since, ended: new Date(now).toISOString(), why: o.why || t.why, attempts: t.attempts, goesOn: true };
}

const times = (from, to) => element("div", "times", ...[0, 0.25, 0.5, 0.75, 1].map(part => element("span", "", part === 1 ? "now" : clock(from + part * (to - from)))));

function outages(t, history, now) {
  const list = history.causes.slice(-5).reverse(); // the one that goes on is the first
  const part = share(history.day);
  const known = span(history.day.seen_seconds.reduce((a, b) => a + b, 0));
  const section = element("section", "wide",
    element("h3", "", "Last 24 hours", part === null ? "" : element("b", "", `up ${percent(part)} of ${known}`)),
    bar(history, now, "bar large"), times(now - day, now));
  if (!list.length) return section;
  const item = o => element("li", "", element("span", "dim", at(o.began, now)), element("span", o.goesOn ? "down" : "", `down ${length((Date.parse(o.ended) - Date.parse(o.began)) / 1000)}${o.goesOn ? " so far" : ""}`),
    element("span", "", o.why, o.attempts > 1 ? element("span", "dim", ` · ${o.attempts} attempts`) : ""));
  section.append(element("ul", "list outages", ...list.map(item)));
  const before = history.causes.slice(0, -list.length).reduce((n, o) => n + (o.count || 1), 0);
  if (before > 0) section.append(element("p", "dim", `and ${before} before that`));
  return section;
}

// at is a time of day, with the date where that is another one.
function at(time, now) {
  const then = new Date(time), text = exactly(time);
  return then.toDateString() === new Date(now).toDateString() ? text : `${then.toLocaleDateString([], { month: "short", day: "numeric" })} ${text}`;
}

// ---- throughput and round trips, with a scale

// ceiling is the end of a scale: a digit with zeros.
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 3, 4, 5, 6, 8, 10].map(n => n * power).find(n => n >= value * 0.999);
}

// curve is an SVG path through values that are not null, broken where they are; x goes up to the number of places.
function curve(values, height, from) {
  let path = "", pen = false;
  values.forEach((v, i) => {
    if (v === null) { pen = false; return; }
    path += `${pen ? "L" : "M"}${from + i + 0.5} ${height(v).toFixed(2)}`;
    if (!pen && (i + 1 === values.length || values[i + 1] === null)) path += "h0.5";
    pen = true;
  });
  return path;
}

// band is an SVG path around the area between two lists of values.
function band(low, high, height, from) {
  return runs(high, v => v !== null).map(([a, b]) => {
    const point = (list, i) => `${from + i + 0.5} ${height(list[i]).toFixed(2)}`;
    const places = [...Array(b - a).keys()].map(i => a + i);
    return "M" + places.map(i => point(high, i)).join("L") + "L" + places.reverse().map(i => point(low, i)).join("L") + "Z";
  }).join("");
}

function chart(title, series, steps, most, text, now, ...curves) {
  const top = ceiling(most), height = v => 100 - 100 * Math.min(v, top) / top;
  const from = steps - series.seen_seconds.length;
  const picture = drawn("svg", { viewBox: `0 0 ${steps} 100`, preserveAspectRatio: "none", role: "img", "aria-label": `${title}, the scale ends at ${text(top)}` });
  for (const y of [0, 50, 100]) picture.append(drawn("path", { class: "grid", d: `M0 ${y}H${steps}` }));
  for (const { kind, low, high } of curves) {
    if (low) picture.append(drawn("path", { class: `area ${kind}`, d: band(low, high, height, from) }));
    picture.append(drawn("path", { class: `line ${kind}`, d: curve(high, height, from) }));
  }
  return element("figure", "chart",
    element("div", "scale", ...[top, top / 2, 0].map(v => element("span", "", text(v)))), picture,
    times(now - steps * series.step_seconds * 1000, now));
}

const key = kind => drawn("svg", { class: `key ${kind}`, viewBox: "0 0 20 8" }, drawn("path", { class: `line ${kind}`, d: "M0 4H20" }));

function throughput(t, series, steps, now) {
  const seen = list => list.map((v, i) => series.seen_seconds[i] > 0 ? v : null);
  const from = seen(series.rate_in), to = seen(series.rate_out);
  return element("section", "plot",
    element("h3", "", "Throughput", element("b", "", key("in"), `from the server ${rate(t.rate_in)}`), element("b", "", key("out"), `to the server ${rate(t.rate_out)}`)),
    chart("throughput", series, steps, Math.max(1000, ...from, ...to), rate, now, { kind: "in", low: from.map(v => v === null ? null : 0), high: from }, { kind: "out", high: to }));
}

function latency(t, series, steps, now) {
  const known = list => list.map(v => v > 0 ? v : null);
  const low = known(series.rtt_low_seconds), high = known(series.rtt_high_seconds);
  const all = [...low, ...high].filter(v => v !== null);
  const range = all.length ? `${milliseconds(Math.min(...all))} to ${milliseconds(Math.max(...all))}` : "not measured yet";
  return element("section", "plot",
    element("h3", "", "Round trip", element("b", "", key("in"), t.rtt_seconds ? `${milliseconds(t.rtt_seconds)} now, ${range}` : range)),
    chart("round trip", series, steps, Math.max(0.001, ...all), milliseconds, now, { kind: "in", low, high }));
}

// ---- a tunnel

function trouble(t, now) {
  const lines = [];
  if (t.why && (!carries(t) || t.state === "suspect")) lines.push(element("p", t.state, t.why));
  if (t.echo_unavailable) lines.push(element("p", "dim", `no echo probes: ${t.echo_unavailable}`));
  const e = t.last_error;
  if (e && e.text !== t.why && !(t.last_outage && e.text === t.last_outage.why)) lines.push(element("p", "dim", `last error ${since(e.time, now)} ago: ${e.text}`));
  if (e && e.hint && !carries(t)) lines.push(element("p", "", element("b", "", "hint: "), e.hint));
  return lines.length ? element("section", "wide trouble", ...lines) : "";
}

function facts(t, now) {
  const list = element("dl", "");
  const add = (name, ...value) => list.append(element("div", "", element("dt", "", name), element("dd", "", ...value)));
  const s = t.server;
  add("server", `${s.user}@${s.host}:${s.port}`, s.address && s.address !== `${s.host}:${s.port}` ? element("div", "dim", s.address) : "");
  if (s.via) add("via", s.via.join(", "));
  if (s.version) add("its software", s.version.replace("SSH-2.0-", ""));
  if (s.cipher) add("cipher", s.cipher);
  if (s.fingerprint) add("host key", element("code", "", s.fingerprint));
  add("reconnects", `${t.reconnects}`);
  if (t.held) add("waiting for the tunnel", held(t, now));
  add("from the server", flow(t.bytes_in, t.rate_in));
  add("to the server", flow(t.bytes_out, t.rate_out));
  if (t.sessions.length > 1) add("sessions", t.sessions.map(x => x.retiring ? "retiring" : x.state).join(", "));
  const m = t.control_path;
  if (t.configuration_kept) add("configuration", element("div", "suspect", t.configuration_kept));
  if (m) add("ControlPath", m.path, m.error ? element("div", "suspect", `${m.state}: ${m.error}`) : "");
  return element("section", "wide", list);
}

function forwardRows(f, now) {
  const bound = f.state === "listening" ? f.bound.join(" ") : f.state;
  const note = [f.limit, f.last_error ? (f.last_error_time && f.state === "listening" ? `${since(f.last_error_time, now)} ago: ` : "") + f.last_error : ""].filter(Boolean).join(" · ");
  const number = (label, value, className) => element("td", { class: `number ${className || ""} ${value === "" ? "empty" : ""}`, "data-label": label }, value);
  const row = element("tr", note ? "noted" : "",
    element("td", "", element("code", "", f.spec), f.added ? element("span", "dim", " added") : ""), element("td", f.state === "listening" ? "mono" : f.state, bound),
    number("open", `${f.open}`), number("total", `${f.total}`),
    number("held", f.held ? `${f.held}${f.held_since ? ` for ${since(f.held_since, now)}` : ""}` : "", "held"), number("refused", f.refused ? `${f.refused}` : ""),
    number("↓", flow(f.bytes_in, f.rate_in)), number("↑", flow(f.bytes_out, f.rate_out)));
  return note ? [row, element("tr", "note", element("td", { colspan: 8, class: f.limit ? "held" : "dim" }, note))] : [row];
}

function forwards(t, now) {
  if (!t.forwards.length) return "";
  const heads = ["Forward", "Listens on", "Open", "Total", "Held", "Refused", "From the server", "To the server"];
  return element("section", "wide", element("table", "",
    element("thead", "", element("tr", "", ...heads.map((h, i) => element("th", i > 1 ? "number" : "", h)))),
    element("tbody", "", ...t.forwards.flatMap(f => forwardRows(f, now)))));
}

function events(t, now) {
  if (!t.events) return "";
  const text = e => e.text + (e.cause ? `: ${e.cause}` : "") + (e.details ? ` (${e.details})` : "");
  return element("section", "", element("h3", "", "Last events"),
    element("ul", "list events", ...t.events.slice().reverse().map(e => element("li", "", element("span", "dim", at(e.time, now)), element("span", "", text(e))))));
}

function commands(t) {
  const verbs = t.state === "failed" ? ["check", "reload"] : ["log -f", "reconnect", "down"];
  const command = verb => {
    const text = `tunneld ${verb} ${quoted(verb === "check" ? t.alias : t.name)}`;
    return element("div", "command", element("code", "", text), element("button", { type: "button", "data-copy": text, "aria-label": `copy ${text}` }, copied === text ? "copied" : "copy"));
  };
  return element("section", "", element("h3", "", "Commands"), element("div", "commands", ...verbs.map(command)));
}

const nothing = step => ({ step_seconds: step, seen_seconds: [], down_seconds: [], rate_in: [], rate_out: [], rtt_low_seconds: [], rtt_high_seconds: [] });
const unknown = { hour: nothing(30), day: nothing(300), outages: [] };

function article(t, now, open) {
  const known = histories.get(t.name) || unknown, bad = severity(t);
  const history = { hour: upToNow(t, known.hour, 120, now), day: upToNow(t, known.day, 288, now), outages: known.outages };
  history.causes = [...known.outages, goesOn(t, known, now)].filter(Boolean);
  const part = share(history.day);
  const s = t.server;
  const card = element("article", { class: ["good", "soso", "soso", "bad", "bad"][bad], "data-key": t.name },
    element("div", { class: "row", "data-toggle": t.name },
      element("h2", "", element("button", { type: "button", "aria-expanded": `${open}` }, t.name)),
      element("span", `state ${isDown(t) ? "down" : t.state}`, stateText(t, now)),
      element("span", "server", `${s.user}@${s.host}:${s.port}`),
      element("span", "number rtt", t.rtt_seconds && carries(t) ? milliseconds(t.rtt_seconds) : ""),
      element("span", "number rate dim", t.rate_in + t.rate_out >= 1 ? `↓ ${rate(t.rate_in)} ↑ ${rate(t.rate_out)}` : ""),
      element("div", "history", bar(history, now, "bar")),
      element("span", "number share dim", part === null ? "" : percent(part)),
      open ? "" : element("p", `why ${carries(t) ? "suspect" : isDown(t) ? "down" : t.state}`, whyNot(t))));
  if (!open) return card;
  const [series, steps] = chosen === "hour" ? [history.hour, 120] : [history.day, 288];
  card.append(element("div", "body", trouble(t, now), forwards(t, now), throughput(t, series, steps, now), latency(t, series, steps, now),
    outages(t, history, now), facts(t, now), events(t, now), commands(t)));
  return card;
}

// ---- the page

const few = 3; // tunnels are shown with all there is to say, until somebody closes them
const histories = new Map();
const opened = new Map(); // by name: whether somebody has opened or closed it
let last = null, heard = Date.now(), asked = 0, wanted = "", chosen = "hour", copied = "";

const icon = color => `data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><circle cx='8' cy='8' r='7' fill='${color}'/></svg>`;

function show(report) {
  const now = Date.parse(report.time), all = report.tunnels;
  const up = all.filter(t => !t.missing).length;
  const text = all.length ? `${up} of ${all.length} up` : "no tunnels";
  become($("machine"), element("h1", { id: "machine" }, "tunneld", report.machine ? element("span", "", ` on ${report.machine}`) : ""));
  become($("count"), element("p", { id: "count", role: "status", class: up < all.length ? "failed" : "up" }, text));
  become($("when"), element("p", { id: "when" }, [report.program, exactly(now)].filter(Boolean).join(" · ")));
  document.title = [text, report.machine, "tunneld"].filter(Boolean).join(" · ");
  $("icon").href = icon(up < all.length ? "%23d0443a" : "%2312755a");
  const sorted = all.map((t, i) => [t, i]).sort(([a, i], [b, j]) => severity(b) - severity(a) || i - j).map(([t]) => t);
  const isOpen = t => opened.has(t.name) ? opened.get(t.name) : all.length <= few;
  const made = element("main", { id: "tunnels" }, ...sorted.map(t => article(t, now, isOpen(t))));
  if (!all.length) made.textContent = "No tunnel is running.";
  become($("tunnels"), made);
}

async function ask(path) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(5000) });
  if (!answer.ok) throw new Error(answer.statusText);
  return answer.json();
}

// remember asks for the history where it may be another one: after an outage, and every 15 seconds.
async function remember(report) {
  const now = report.tunnels.map(t => [t.name, t.state, t.down_since, t.last_outage && t.last_outage.ended].join()).join(";");
  if (now === wanted && Date.now() - asked < 15000) return;
  for (const h of await ask("history")) histories.set(h.name, h);
  [wanted, asked] = [now, Date.now()];
}

async function turn() {
  try {
    const report = await ask("status");
    await remember(report);
    show(last = report);
    heard = Date.now();
    $("silent").textContent = "";
    document.body.className = "";
  } catch (e) {
    $("silent").textContent = `no answer from tunneld for ${span((Date.now() - heard) / 1000)}`;
    document.body.className = "silent";
    document.title = "no answer · tunneld";
  }
  setTimeout(turn, document.hidden ? 5000 : 1000);
}

// copy puts text into the clipboard; where the browser has none for this page, the text is selected.
async function copy(button) {
  const text = button.dataset.copy;
  try {
    await navigator.clipboard.writeText(text);
    copied = text;
    show(last);
    setTimeout(() => { copied = ""; show(last); }, 2000);
  } catch (e) {
    getSelection().selectAllChildren(button.previousElementSibling);
  }
}

document.addEventListener("click", event => {
  const target = event.target.closest("[data-copy], [data-span], [data-toggle]");
  if (!target || !last) return;
  if (target.dataset.copy) {
    copy(target);
  } else if (target.dataset.span) {
    chosen = target.dataset.span;
    for (const button of document.querySelectorAll("[data-span]")) button.setAttribute("aria-pressed", `${button.dataset.span === chosen}`);
    show(last);
  } else if (event.target.closest("button") || getSelection().isCollapsed) { // and not the end of a selection
    const name = target.dataset.toggle;
    opened.set(name, target.querySelector("button").getAttribute("aria-expanded") !== "true");
    show(last);
  }
});
document.addEventListener("visibilitychange", () => { if (!document.hidden && last) show(last); });
turn();
