"use strict";
/* Draws the dashboard from data.js. Text is set as text, never as markup: names in a log are what others wrote. */
(() => {
  const data = window.EDMS_BACKUP;
  const root = document.documentElement;
  const plots = [];
  const EVENTS = ["backup", "verify", "drill", "restore", "merge", "rollback", "copy", "prune"];

  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
    return element;
  };
  const color = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
  const time = (text) => new Date(text).getTime();
  const moment = (text) => new Date(text).toISOString().replace("T", " ").slice(0, 16) + " UTC";
  const count = (number) => (number === null || number === undefined ? "" : number.toLocaleString("en-US"));
  const bytes = (number) => {
    if (number === null || number === undefined) return "";
    const units = ["bytes", "kB", "MB", "GB", "TB", "PB"];
    let at = 0;
    while (Math.abs(number) >= 1000 && at < units.length - 1) { number /= 1000; at += 1; }
    return `${number.toLocaleString("en-US", { maximumFractionDigits: at ? 1 : 0 })} ${units[at]}`;
  };
  const span = (seconds) => {
    if (seconds === null || seconds === undefined) return "";
    if (seconds < 90) return `${seconds.toLocaleString("en-US", { maximumFractionDigits: 1 })} s`;
    if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
    if (seconds < 172800) return `${(seconds / 3600).toFixed(1)} h`;
    return `${(seconds / 86400).toFixed(1)} days`;
  };

  /* What is chosen. */
  const chosen = { edms: "", days: 90, event: "", outcome: "" };
  const since = () => (chosen.days ? time(data.made) - chosen.days * 86400000 : -Infinity);
  const ofEdms = (one) => !chosen.edms || one.edms === chosen.edms || one.edms === "";
  const inView = (one) => ofEdms(one) && time(one.at) >= since();
  const names = new Map(data.systems.map((one) => [one.id, one.name]));
  const nameOf = (edms) => names.get(edms) || edms || "the repository";

  const table = (columns, rows, caption, limit = 40) => {
    if (!rows.length) return make("p", { className: "none" }, "None.");
    const head = make("tr", {}, ...columns.map((one) => make("th", { scope: "col", className: one.number ? "n" : "" }, one.title)));
    const body = rows.slice(0, limit).map((row) => make("tr", {}, ...columns.map((one) => {
      const value = one.value(row);
      return make("td", { className: `${one.number ? "n" : ""} ${one.mark ? one.mark(row) : ""}`.trim() }, value instanceof Node ? value : String(value ?? ""));
    })));
    const made = make("table", {}, make("caption", {}, rows.length > limit ? `${caption}: ${limit} of ${count(rows.length)}` : caption), make("thead", {}, head), make("tbody", {}, ...body));
    if (rows.length <= limit) return made;
    const more = make("button", { type: "button" }, `Show ${count(Math.min(rows.length - limit, 500))} more`);
    more.addEventListener("click", () => more.parentElement.replaceWith(table(columns, rows, caption, limit + 500)));
    return make("div", {}, made, more);
  };

  /* A chart, its title, a sentence for who cannot see it, and the same as a table. */
  const chart = (id, title, summary, option, columns, rows) => {
    const holder = document.getElementById(id);
    holder.replaceChildren();
    const caption = make("figcaption", {}, title);
    if (!rows.length) {
      holder.append(make("figure", {}, caption, make("p", { className: "none" }, "Nothing in this period.")));
      return;
    }
    const plot = make("div", { className: "plot" });
    plot.setAttribute("role", "img");
    plot.setAttribute("aria-label", `${title}. ${summary}`);
    const details = make("details", {}, make("summary", {}, "As a table"));
    details.addEventListener("toggle", () => {
      if (details.open && details.children.length === 1) {
        const scroll = make("div", { className: "scroll", tabIndex: 0 }, table(columns, rows, title));
        scroll.setAttribute("role", "region");
        scroll.setAttribute("aria-label", `${title}, as a table`);
        details.append(scroll);
      }
    });
    holder.append(make("figure", {}, caption, plot, details));
    const drawn = echarts.init(plot, null, { renderer: "svg" });
    const ink = { color: color("ink") };
    const axis = { axisLine: { lineStyle: { color: color("quiet") } }, axisLabel: { color: color("quiet"), hideOverlap: true, fontSize: 12 }, splitLine: { lineStyle: { color: color("line") } } };
    drawn.setOption({
      animation: false, textStyle: { ...ink, fontFamily: getComputedStyle(document.body).fontFamily }, grid: { left: 8, right: 16, top: 34, bottom: 8, containLabel: true },
      tooltip: { trigger: "item", renderMode: "richText", backgroundColor: color("paper"), borderColor: color("quiet"), textStyle: ink, confine: true },
      legend: { top: 0, left: 0, textStyle: ink, inactiveColor: color("quiet") },
      ...option, xAxis: { type: "time", ...axis, axisLabel: { ...axis.axisLabel, formatter: "{MM}-{dd}" }, splitLine: { show: false } }, yAxis: { ...axis, ...option.yAxis },
    });
    plot.querySelector("svg")?.setAttribute("aria-hidden", "true");
    plots.push(drawn);
  };
  const line = (name, points, hue, more = {}) => ({
    type: "line", name, data: points, showSymbol: points.length < 40, symbolSize: 6, lineStyle: { color: color(hue), width: 2, ...more.lineStyle }, itemStyle: { color: color(hue) }, ...more.series,
  });
  const target = (value, text) => value ? { markLine: { silent: true, symbol: "none", lineStyle: { color: color("bad"), type: "dashed" }, label: { formatter: text, color: color("bad"), position: "insideEndTop" }, data: [{ yAxis: value }] } } : {};
  const at = { title: "When", value: (row) => moment(row.at) };
  const whose = { title: "EDMS", value: (row) => nameOf(row.edms) };
  const hues = ["one", "two", "three", "good", "bad"];
  const byEdms = (rows, value, decorate = () => ({})) => [...new Set(rows.map((row) => row.edms))].map((edms, place) =>
    line(nameOf(edms), rows.filter((row) => row.edms === edms).map((row) => [time(row.at), value(row)]), hues[place % hues.length], decorate(place)));
  const range = (values, show) => values.length ? `From ${show(Math.min(...values))} to ${show(Math.max(...values))}; the last is ${show(values[values.length - 1])}.` : "";

  const systems = () => {
    const shown = data.systems.filter((one) => !chosen.edms || one.id === chosen.edms);
    document.getElementById("systems").replaceChildren(...shown.map((one) => {
      const now = time(data.made);
      const status = one.status;
      const drills = data.runs.filter((run) => run.edms === one.id && run.event === "drill");
      const drill = drills.filter((run) => run.outcome === "success").pop();
      const age = status && status.created ? (now - time(status.created)) / 1000 : null;
      const facts = [
        ["Newest snapshot", !status ? "not known" : age === null ? "none" : `${span(age)} old`, one.rpo_target && age > one.rpo_target],
        ["Last proved by a restore", !status ? "not known" : status.proof_age_seconds !== null ? `${span(status.proof_age_seconds)} ago` : "never", false],
        ["Last drill that passed", drill ? `${span((now - time(drill.at)) / 1000)} ago` : one.repository ? "never" : "not known", false],
        ["Time to restore (RTO)", drill && drill.rto !== null ? `${span(drill.rto)}${one.rto_target ? ` of ${span(one.rto_target)}` : ""}` : "not measured", drill && one.rto_target && drill.rto > one.rto_target],
        ["Data at risk (RPO)", one.rpo_target ? `target ${span(one.rpo_target)}` : "no target", false],
      ];
      const problems = status ? status.problems : [one.problem];
      return make("article", { className: one.ok ? "card" : "card bad" },
        make("h3", {}, one.name), make("p", { className: "verdict" }, one.ok ? "✓ The backups are well" : status ? "✗ The backups are not well" : "✗ It is not known whether the backups are well"),
        ...problems.map((text) => make("p", { className: "problem" }, text)),
        make("dl", {}, ...facts.flatMap(([name, value, missed]) => [make("dt", {}, name), make("dd", { className: missed ? "missed" : "" }, missed ? `${value}, missed` : value)])));
    }));
  };

  const timeline = (runs) => {
    const events = [...new Set([...EVENTS, ...runs.map((run) => run.event)])].filter((event) => runs.some((run) => run.event === event)).reverse();
    const kinds = [["success", "circle", "good"], ["failed", "rect", "bad"], ["stopped", "triangle", "warn"]];
    chart("timeline", "Runs", `${count(runs.length)} runs, ${count(runs.filter((run) => run.outcome !== "success").length)} of them failed or stopped.`, {
      dataZoom: [{ type: "inside", filterMode: "none", zoomOnMouseWheel: "ctrl" }],
      yAxis: { type: "category", data: events, splitLine: { show: true, lineStyle: { color: color("line") } } },
      tooltip: { trigger: "item", renderMode: "richText", backgroundColor: color("paper"), borderColor: color("quiet"), textStyle: { color: color("ink") }, confine: true,
        formatter: ({ data: point }) => { const run = point.run; return [`${run.event} of ${nameOf(run.edms)}: ${run.outcome}`, moment(run.at), run.what, run.why && `why: ${run.why}`, run.seconds !== null && `took ${span(run.seconds)}`].filter(Boolean).join("\n"); } },
      series: kinds.map(([outcome, symbol, hue]) => ({ type: "scatter", name: outcome, symbol, symbolSize: 9, itemStyle: { color: color(hue) },
        data: runs.filter((run) => run.outcome === outcome).map((run) => ({ value: [time(run.at), run.event], run })) })),
    }, [at, { title: "What", value: (run) => run.event }, whose, { title: "Outcome", value: (run) => run.outcome, mark: (run) => run.outcome }], [...runs].reverse());
  };

  const recovery = (runs) => {
    const backups = runs.filter((run) => run.event === "backup" && run.snapshot);
    const gaps = backups.flatMap((run, place) => {
      const before = backups.slice(0, place).filter((other) => other.edms === run.edms).pop();
      return before ? [{ ...run, gap: (time(run.at) - time(before.at)) / 1000 }] : [];
    });
    const system = data.systems.find((one) => one.id === chosen.edms) || (data.systems.length === 1 ? data.systems[0] : null);
    const hours = { yAxis: { type: "value" } };
    chart("gaps", "Hours between backups", range(gaps.map((run) => run.gap), span), {
      ...hours, series: byEdms(gaps, (run) => run.gap / 3600, (place) => ({ series: place ? {} : target(system && system.rpo_target / 3600, "RPO") })),
    }, [at, whose, { title: "Since the one before", value: (run) => span(run.gap), number: true }], [...gaps].reverse());
    const restores = runs.filter((run) => (run.event === "drill" && run.rto !== null) || (run.event === "restore" && run.outcome === "success" && run.seconds !== null));
    const took = (run) => run.rto ?? run.seconds;
    chart("recovery", "Minutes to restore, by drills and restores", range(restores.map(took), span), {
      yAxis: { type: "value" },
      series: byEdms(restores, (run) => took(run) / 60, (place) => ({ series: place ? {} : target(system && system.rto_target / 60, "RTO") })),
    }, [at, { title: "What", value: (run) => run.event }, whose, { title: "Took", value: (run) => span(took(run)), number: true }], [...restores].reverse());
  };

  const contents = (runs) => {
    const backups = runs.filter((run) => run.event === "backup" && run.rows !== null);
    for (const [id, title, value] of [["rows", "Rows", (run) => run.rows], ["files", "Files", (run) => run.files]]) {
      chart(id, title, range(backups.map(value), count), { yAxis: { type: "value", axisLabel: { color: color("quiet"), formatter: count } }, series: byEdms(backups, value) },
        [at, whose, { title, value: (run) => count(value(run)), number: true }], [...backups].reverse());
    }
  };

  const repositories = () => {
    document.getElementById("repositories").replaceChildren(...data.repositories.map((one) => {
      const growth = one.growth;
      const facts = [
        ["Stored", bytes(one.stored)], ["Snapshots", count(one.snapshots)],
        ["Without deduplication", one.stored ? `${bytes(one.together)}, ${(one.together / one.stored).toFixed(1)} times as much` : ""],
        ["Free on its disk", one.free === null ? "not known" : bytes(one.free)],
        ["Growth", growth ? `${bytes(growth.bytes_a_day)} a day, over ${Math.round(growth.days)} days` : "not known yet: fewer than three backups or two days"],
        ["In 30, 90, 365 days", growth ? [30, 90, 365].map((days) => bytes(growth.in_days[days])).join(", ") : ""],
        ["Full, if it goes on so", growth && growth.full ? moment(growth.full).slice(0, 10) : ""],
        ["Encrypted", one.encrypted ? "yes" : "no"],
      ].filter(([, value]) => value);
      return make("article", { className: one.problems.length ? "card bad" : "card plain" }, make("h3", {}, one.place),
        ...one.problems.map((text) => make("p", { className: "problem" }, text)),
        make("dl", {}, ...facts.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)])));
    }));
    const snapshots = data.snapshots.filter((one) => time(one.at) >= since());
    const mine = snapshots.filter(ofEdms);
    const scale = { yAxis: { type: "value", axisLabel: { color: color("quiet"), formatter: bytes } } };
    const series = data.repositories.flatMap((one, place) => {
      const points = snapshots.filter((snapshot) => snapshot.repository === one.id).map((snapshot) => [time(snapshot.at), snapshot.total]);
      const hue = hues[place % hues.length];
      const found = [line(one.place, points, hue)];
      if (one.growth && points.length) {
        const [last, stored] = points[points.length - 1];
        found.push(line(`${one.place}, expected`, [[last, stored], ...[30, 90].map((days) => [last + days * 86400000, one.growth.in_days[days]])], hue, { lineStyle: { type: "dashed" } }));
      }
      return found;
    });
    chart("size", "Bytes in the repository, with what is expected", range(snapshots.map((one) => one.total), bytes), { ...scale, series },
      [at, { title: "Stored then", value: (one) => bytes(one.total), number: true }], [...snapshots].reverse());
    chart("new", "New bytes of each snapshot", range(mine.map((one) => one.new), bytes), { ...scale, series: [...new Set(mine.map((one) => one.edms))].map((edms, place) => ({
      type: "bar", name: nameOf(edms), barMaxWidth: 14, itemStyle: { color: color(hues[place % hues.length]) }, data: mine.filter((one) => one.edms === edms).map((one) => [time(one.at), one.new]) })) },
    [at, whose, { title: "New", value: (one) => bytes(one.new), number: true }, { title: "Whole snapshot", value: (one) => bytes(one.bytes), number: true }], [...mine].reverse());
  };

  const durations = (runs) => {
    const timed = runs.filter((run) => run.seconds !== null && EVENTS.includes(run.event));
    chart("durations", "Minutes of each run", range(timed.map((run) => run.seconds), span), {
      yAxis: { type: "value" },
      series: EVENTS.filter((event) => timed.some((run) => run.event === event)).map((event, place) =>
        line(event, timed.filter((run) => run.event === event).map((run) => [time(run.at), run.seconds / 60]), hues[place % hues.length])),
    }, [at, { title: "What", value: (run) => run.event }, whose, { title: "Took", value: (run) => span(run.seconds), number: true }], [...timed].reverse());
  };

  const findings = () => document.getElementById("findings").replaceChildren(table([
    { title: "How bad", value: (one) => one.severity, mark: (one) => one.severity }, whose, { title: "What", value: (one) => one.subject },
    { title: "Rows or files", value: (one) => count(one.count), number: true }, { title: "Why", value: (one) => one.message }, { title: "Code", value: (one) => one.code },
  ], data.findings.filter(ofEdms), "Errors and warnings"));

  const runTable = (runs) => {
    const rows = runs.filter((run) => (!chosen.event || run.event === chosen.event) && (!chosen.outcome || run.outcome === chosen.outcome)).reverse();
    document.getElementById("runs").replaceChildren(table([
      at, { title: "What", value: (run) => run.event }, { title: "Outcome", value: (run) => run.outcome, mark: (run) => run.outcome }, whose,
      { title: "Snapshot", value: (run) => run.snapshot.slice(0, 12) }, { title: "Took", value: (run) => span(run.seconds), number: true },
      { title: "By", value: (run) => run.by }, { title: "Why", value: (run) => run.why }, { title: "Approved by", value: (run) => run.approved }, { title: "Result", value: (run) => run.what },
      { title: "Report", value: (run) => (run.report && data.reports ? make("a", { href: `reports/${run.report}.html`, ariaLabel: `Report of the ${run.event} at ${moment(run.at)}` }, "report") : "") },
    ], rows, "The newest first"));
  };

  const draw = () => {
    plots.splice(0).forEach((one) => one.dispose());
    const runs = data.runs.filter(inView);
    systems(); timeline(runs); recovery(runs); contents(runs); repositories(); durations(runs); findings(); runTable(runs);
  };

  /* Controls. */
  const select = document.getElementById("edms");
  const known = [...new Set([...data.systems.map((one) => one.id), ...data.snapshots.map((one) => one.edms)])].filter(Boolean);
  select.append(make("option", { value: "" }, known.length > 1 ? `all ${known.length}` : "all"), ...known.map((edms) => make("option", { value: edms }, nameOf(edms))));
  const event = document.getElementById("event");
  event.append(...[...new Set(data.runs.map((run) => run.event))].sort().map((name) => make("option", { value: name }, name)));
  select.addEventListener("change", () => { chosen.edms = select.value; draw(); });
  document.getElementById("period").addEventListener("change", (changed) => { chosen.days = Number(changed.target.value); draw(); });
  event.addEventListener("change", () => { chosen.event = event.value; runTable(data.runs.filter(inView)); });
  document.getElementById("outcome").addEventListener("change", (changed) => { chosen.outcome = changed.target.value; runTable(data.runs.filter(inView)); });
  document.getElementById("made").textContent = `As of ${moment(data.made)}`;

  const theme = document.getElementById("theme");
  const remembered = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  const wear = (name) => { root.dataset.theme = name; theme.textContent = name === "dark" ? "Light" : "Dark"; draw(); };
  theme.addEventListener("click", () => {
    const next = root.dataset.theme === "dark" ? "light" : "dark";
    try { localStorage.setItem("theme", next); } catch { /* a private window keeps nothing */ }
    wear(next);
  });
  const prefers = window.matchMedia("(prefers-color-scheme: dark)");
  prefers.addEventListener("change", () => { if (!remembered()) wear(prefers.matches ? "dark" : "light"); });
  let worn = "";
  window.addEventListener("beforeprint", () => { worn = root.dataset.theme; wear("light"); plots.forEach((one) => one.resize({ width: "auto" })); });
  window.addEventListener("afterprint", () => wear(worn || "light"));
  window.addEventListener("resize", () => plots.forEach((one) => one.resize()));
  wear(remembered() || (prefers.matches ? "dark" : "light"));
})();
