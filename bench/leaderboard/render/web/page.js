"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  for (const { clips, axes } of data.players) {
    for (const clip of clips.flat()) for (const curve of Object.values(clip?.curves || {})) curve.at_s = axes[curve.axis];
  }
  const COLOURS = ["#2f81f7", "#d9730d", "#2a9d5c", "#a463f2", "#e5484d", "#12929e", "#b08408", "#d6409f"];
  const MOST = COLOURS.length; // models side by side
  const SHOWN_FIRST = 3;

  /** An element with attributes and children; text stays text. */
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) {
      if (key === "class") element.className = value;
      else if (key in element && key !== "list") element[key] = value;
      else element.setAttribute(key, value);
    }
    element.append(...children);
    return element;
  }

  /** Three digits of a number, as the tables have it; or as many decimals as the largest of its scale has. */
  function shorten(value, largest = value) {
    if (Number.isInteger(value)) return String(value);
    const exponent = Math.floor(Math.log10(Math.abs(largest)));
    if (exponent < -4 || exponent > 6) return value.toExponential(2);
    return value.toFixed(Math.max(0, 2 - exponent));
  }

  // ---- Tables: sorted by a click on a header, cells without a value last ----

  function sortBy(table, column, order) {
    const sign = order === "ascending" ? 1 : -1;
    const numbers = table.tHead.rows[0].cells[column].classList.contains("num");
    const key = (row) => {
      const cell = row.cells[column];
      if (!numbers) return cell.textContent.trim() === "-" ? null : cell.textContent;
      return cell.dataset.value === undefined ? null : Number(cell.dataset.value);
    };
    const rows = [...table.tBodies[0].rows].map((row) => [key(row), row]);
    rows.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      return sign * (numbers ? a - b : a.localeCompare(b, undefined, { numeric: true }));
    });
    table.tBodies[0].append(...rows.map(([, row]) => row));
  }

  for (const table of document.querySelectorAll("table")) {
    for (const [column, header] of [...table.tHead.rows[0].cells].entries()) {
      header.firstElementChild.addEventListener("click", () => {
        const first = header.dataset.order;
        const other = first === "ascending" ? "descending" : "ascending";
        const order = header.getAttribute("aria-sort") === first ? other : first;
        for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
        header.setAttribute("aria-sort", order);
        sortBy(table, column, order);
      });
    }
  }

  // ---- What a column says: by a tap or by the keyboard; a mouse that rests on it has the title ----

  const bubble = make("div", { class: "bubble", hidden: true, "aria-hidden": "true" });
  document.body.append(bubble);

  function explain(button) {
    bubble.hidden = !button || !button.title;
    if (bubble.hidden) return;
    bubble.textContent = button.title;
    const { left, bottom } = button.getBoundingClientRect();
    bubble.style.left = `${Math.max(8, Math.min(left, innerWidth - bubble.offsetWidth - 8))}px`;
    bubble.style.top = `${bottom + 4}px`;
  }

  document.addEventListener("click", (event) => explain(event.pointerType === "mouse" ? null : event.target.closest("th button")));
  document.addEventListener("focusin", ({ target }) => explain(target.matches("th button:focus-visible") ? target : null));
  document.addEventListener("keydown", (event) => event.key === "Escape" && explain(null));
  document.addEventListener("scroll", () => explain(null), { capture: true, passive: true });

  // ---- Filters ----

  const filters = document.getElementById("filters");

  /** Models are filtered; a table or a suite of which none is left is hidden with them. */
  function filter() {
    const criteria = Object.fromEntries(new FormData(filters));
    const words = (criteria.text || "").toLowerCase().split(/\s+/).filter(Boolean);
    let matching = 0;
    let all = 0;
    for (const suite of document.querySelectorAll(".suite")) {
      const models = new Map(); // to whether it matches
      for (const row of suite.querySelectorAll("tr[data-model]")) {
        const { model, find, licence, open } = row.dataset;
        const text = `${model} ${find} ${licence}`.toLowerCase();
        const matches = words.every((word) => text.includes(word))
          && (!criteria.licence || licence === criteria.licence)
          && (!criteria.open || open === "yes");
        models.set(model, matches);
      }
      for (const element of suite.querySelectorAll("[data-model]")) element.hidden = models.get(element.dataset.model) === false;
      const other = Boolean(criteria.suite) && suite.dataset.suite !== criteria.suite;
      const left = [...models.values()].filter(Boolean).length;
      for (const table of suite.querySelectorAll("[data-table]")) {
        const rows = [...table.querySelectorAll("tr[data-model]")];
        table.hidden = rows.length > 0 && rows.every((row) => row.hidden);
      }
      suite.hidden = other || (models.size > 0 && left === 0);
      if (!other) {
        all += models.size;
        matching += left;
      }
    }
    document.getElementById("nothing").hidden = matching > 0;
    document.getElementById("count").textContent = `${matching === all ? "" : `${matching} of `}${all} model${all === 1 ? "" : "s"}`;
  }

  filters.addEventListener("input", filter);
  filters.addEventListener("submit", (event) => event.preventDefault());
  filter();

  // ---- Thresholds: which clips count as usable, and who leads then ----

  const { alpha: ALPHA, least_prompts: LEAST_PROMPTS } = data.statistics;
  const thresholds = document.getElementById("thresholds");

  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

  /** The standard error of the mean. */
  function error(values) {
    const centre = mean(values);
    return Math.sqrt(mean(values.map((value) => (value - centre) ** 2)) / values.length);
  }

  /** How much of a normal lies above a deviate that is above 0 (Abramowitz and Stegun 1964, 7.1.26). */
  function above(deviate) {
    const x = deviate / Math.SQRT2;
    const t = 1 / (1 + 0.3275911 * x);
    const sum = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592]
      .reduce((total, factor) => total * t + factor, 0);
    return (sum * t * Math.exp(-x * x)) / 2;
  }

  /**
   * p of two models by the paired bootstrap over prompts: twice the chance that a draw contradicts the sign of
   * their difference, or ties. The chance is that of the saddlepoint (Davison and Hinkley 1988; on a lattice,
   * Daniels 1987), since draws that suffice for a hundred models take seconds. Shares go in steps of 1 / seeds.
   */
  function differ(one, other, seeds) {
    const prompts = one.length;
    let sum = 0;
    for (let prompt = 0; prompt < prompts; prompt += 1) sum += one[prompt] - other[prompt];
    if (Math.abs(sum) < 0.5 / seeds) return 1;
    const counts = new Float64Array(2 * seeds + 1); // of prompts, by how much they contradict, from -seeds on
    for (let prompt = 0; prompt < prompts; prompt += 1) {
      counts[seeds + Math.round(-Math.sign(sum) * seeds * (one[prompt] - other[prompt]))] += 1;
    }
    if (counts.subarray(seeds + 1).every((count) => count === 0)) {
      return Math.min(1, 2 * (counts[seeds] / prompts) ** prompts);
    }
    let [tilt, total, variance] = [0, 0, 0];
    for (let step = 1, turn = 0; Math.abs(step) > 1e-9 && turn < 50; turn += 1) {
      let [first, second] = [0, 0];
      total = 0;
      for (let against = -seeds; against <= seeds; against += 1) {
        const weight = counts[seeds + against] * Math.exp(tilt * against);
        total += weight;
        first += against * weight;
        second += against * against * weight;
      }
      const centre = first / total;
      variance = second / total - centre ** 2;
      step = Math.max(-1, Math.min(1, centre / variance));
      tilt -= step;
    }
    const w = Math.sqrt(Math.max(0, -2 * prompts * Math.log(total / prompts)));
    if (w < 0.1) return 1;
    const u = (1 - Math.exp(-tilt)) * Math.sqrt(prompts * variance);
    const density = Math.exp((-w * w) / 2) / Math.sqrt(2 * Math.PI);
    return Math.min(1, 2 * (above(w) + density * (1 / u - 1 / w)));
  }

  /** Which p-values are sure after Holm's step-down correction. */
  function holm(values) {
    const sure = values.map(() => false);
    const order = [...values.keys()].sort((a, b) => values[a] - values[b]);
    for (const [step, at] of order.entries()) {
      if (values[at] * (values.length - step) >= ALPHA) break;
      sure[at] = true;
    }
    return sure;
  }

  /** The ranks that shares leave open to each model. */
  function ranked(shares, seeds) {
    const means = shares.map(mean);
    const ranks = shares.map(() => [1, shares.length]);
    const pairs = shares.flatMap((_, a) => shares.slice(0, a).map((__, b) => [a, b]));
    const surely = holm(pairs.map(([a, b]) => differ(shares[a], shares[b], seeds)));
    for (const [at, sure] of surely.entries()) {
      if (!sure) continue;
      const [worse, better] = pairs[at].sort((a, b) => means[a] - means[b]);
      ranks[worse][0] += 1;
      ranks[better][1] -= 1;
    }
    return ranks;
  }

  /** `96% (88-100)`; where none or all are usable, the open end is that of the rule of three. */
  function percent(share) {
    const hidden = 1 - ALPHA ** (1 / share.length);
    const centre = mean(share);
    const spread = 1.96 * error(share);
    const ends = centre === 0 ? [0, hidden] : centre === 1 ? [1 - hidden, 1]
      : [Math.max(0, centre - spread), Math.min(1, centre + spread)];
    const whole = (value) => (100 * value).toFixed(0);
    return `${whole(centre)}% (${ends.map(whole).join("-")})`;
  }

  /** A table ordered by usable clips, which are counted anew: shares, ranks, order and cost of a second. */
  class Judged {
    constructor(root, clips) {
      this.root = root;
      this.notice = root.querySelector(".own");
      this.body = root.querySelector("tbody");
      this.rows = [...this.body.rows];
      this.published = this.rows.map((row) => row.innerHTML);
      this.clips = this.rows.map((row) => clips[row.dataset.model]);
      const names = [...root.querySelectorAll("th")].map((header) => header.dataset.name);
      this.at = Object.fromEntries(["rank", "usable", "coherence", "cost per usable s"].map((name) => [name, names.indexOf(name)]));
    }

    /** Show what thresholds give; null brings back what was published. */
    show(limits, words) {
      this.notice.hidden = limits === null;
      this.notice.textContent = limits === null ? ""
        : `Not the published thresholds, but yours: ${words}. The sentence and the figure that hang on them are hidden; all that is folded away is as published.`;
      for (const [at, row] of this.rows.entries()) row.innerHTML = this.published[at];
      this.root.classList.toggle("unpublished", limits !== null);
      const order = [...this.rows.keys()];
      if (limits) {
        const usable = this.clips.map((each) => passes(each, limits));
        for (const at of order) this.cost(at, usable[at]);
        const shares = usable.map((each, at) => byPrompt(each, this.clips[at].seeds));
        this.rank(shares);
        const means = shares.map(mean);
        const coherence = this.rows.map((row) => Number(row.cells[this.at.coherence].dataset.value));
        order.sort((a, b) => means[b] - means[a] || coherence[b] - coherence[a]);
      }
      this.body.append(...order.map((at) => this.rows[at]));
      const column = this.root.querySelector("th[aria-sort]");
      if (column) sortBy(column.closest("table"), column.cellIndex, column.getAttribute("aria-sort"));
    }

    rank(shares) {
      const ranks = shares[0].length < LEAST_PROMPTS || shares.length < 2 ? [] : ranked(shares, this.clips[0].seeds);
      for (const [at, share] of shares.entries()) {
        this.put(at, "usable", percent(share), mean(share), ranks[at]?.[0] === 1);
        if (ranks[at]) this.put(at, "rank", [...new Set(ranks[at])].join("-"), ranks[at][0]);
      }
    }

    cost(at, usable) {
      const { cost, cost_at_least: least, unit, video_s: length } = this.clips[at];
      if (cost === null) return;
      const video_s = usable.reduce((sum, yes, clip) => sum + (yes ? (length[clip] ?? length) : 0), 0);
      const amount = video_s ? cost / video_s : least;
      this.put(at, "cost per usable s", `${video_s ? "" : "> "}${shorten(amount)} ${unit}`, amount);
    }

    put(at, name, text, value, strong = false) {
      const cell = this.rows[at].cells[this.at[name]];
      if (!cell) return;
      cell.replaceChildren(make(strong ? "strong" : "bdi", {}, text));
      if (cell.dataset.value !== undefined) cell.dataset.value = value;
    }
  }

  /** Whether each clip of a model passes thresholds, in the steps of its values. */
  function passes({ steps }, limits) {
    const tests = {
      coherence: (value) => value >= limits.coherence,
      adherence_margin: (value) => value > limits.adherence_margin,
      cuts_unrequested: (value) => value <= limits.cuts_unrequested,
    };
    const columns = Object.entries(steps).map(([name, values]) => values.map((value) => value !== null && tests[name](value)));
    return columns[0].map((_, clip) => columns.every((column) => column[clip]));
  }

  /** The share of usable clips of each prompt, of which there is one clip a seed. */
  function byPrompt(usable, seeds) {
    const shares = [];
    for (let at = 0; at < usable.length; at += seeds) shares.push(mean(usable.slice(at, at + seeds).map(Number)));
    return shares;
  }

  if (thresholds) {
    const tables = [];
    for (const suite of document.querySelectorAll(".suite")) {
      const clips = data.judged[suite.dataset.suite] || {};
      for (const root of suite.querySelectorAll("[data-first]")) {
        if (root.querySelector("th[data-name=usable]")) tables.push(new Judged(root, clips));
      }
    }
    const inputs = [...thresholds.querySelectorAll("input")];
    const judge = () => {
      if (!thresholds.checkValidity()) return;
      const own = inputs.some((input) => Number(input.value) !== Number(input.defaultValue));
      const limits = Object.fromEntries(inputs.map((input) => [input.name, Math.round(input.value / input.step)]));
      const words = inputs.map((input) => `${input.previousElementSibling.textContent} ${input.value}`).join("; ");
      for (const table of tables) table.show(own ? limits : null, words);
      for (const suite of document.querySelectorAll(".suite")) suite.classList.toggle("unpublished", own && suite.querySelector(".unpublished") !== null);
      filter();
    };
    thresholds.addEventListener("input", judge);
    thresholds.addEventListener("reset", () => setTimeout(judge));
    thresholds.addEventListener("submit", (event) => event.preventDefault());
  }

  // ---- The legend plays as long as it is open, where nobody asked for less motion ----

  const legend = document.getElementById("legend");
  if (legend) legend.addEventListener("toggle", () => {
    const plays = legend.open && !matchMedia("(prefers-reduced-motion: reduce)").matches;
    for (const video of legend.querySelectorAll("video")) {
      if (plays) video.play().catch(() => {});
      else video.pause();
    }
  });

  // ---- Clips side by side ----

  const players = [];

  /** Clips that play in step: all keep to the time of the longest. */
  class InStep {
    constructor() {
      this.videos = [];
      this.playing = false;
      this.duration = 0;
      this.frame = 1;
      this.time = 0;
    }

    get leader() {
      return this.videos.reduce((a, b) => (b.duration > (a ? a.duration : 0) ? b : a), null);
    }

    get rate() {
      return 1;
    }

    /** Where playback is now, for whoever shows it. */
    moved(time) {
      this.time = time;
    }

    /** Take the clips to come: none is played any more. */
    load(clips) {
      this.pause();
      this.videos = [];
      this.time = 0;
      this.frame = Math.min(...clips.filter((clip) => clip && clip.fps).map((clip) => 1 / clip.fps), 1);
      this.duration = Math.max(0, ...clips.map((clip) => (clip && clip.seconds) || 0));
    }

    /** The element that plays a clip with the others. */
    video(source, label) {
      const video = make("video", {
        src: source, muted: true, playsInline: true, preload: "auto", tabIndex: -1, "aria-label": label,
      });
      video.addEventListener("ended", () => this.playing && video === this.leader && this.again());
      video.addEventListener("timeupdate", () => this.playing && video === this.leader && this.keepStep());
      video.addEventListener("error", () => {
        this.videos = this.videos.filter((other) => other !== video);
        video.replaceWith(make("div", { class: "missing" }, "this clip cannot be played"));
      });
      this.videos.push(video);
      return video;
    }

    async play() {
      for (const other of players) if (other !== this) other.pause();
      const videos = this.videos;
      if (!videos.length) return;
      this.playing = true;
      if (this.button) this.button.textContent = "Pause";
      const ready = (video) => new Promise((done) => {
        if (video.readyState >= 3 || video.error) done();
        else for (const event of ["canplay", "error"]) video.addEventListener(event, done, { once: true });
      });
      // Some browsers load nothing before they play; those are brought into step on the way.
      const patience = new Promise((done) => setTimeout(done, 2000));
      await Promise.race([Promise.all(videos.map(ready)), patience]);
      if (!this.playing || this.videos !== videos) return; // paused, or another prompt meanwhile
      if (this.time >= this.duration - this.frame) this.seek(0);
      await Promise.allSettled(videos.filter((video) => this.time < video.duration).map((video) => video.play()));
      this.keepStep();
      this.watch();
    }

    pause() {
      this.playing = false;
      for (const video of this.videos) video.pause();
      if (this.button) this.button.textContent = "Play";
    }

    again() {
      this.seek(0);
      for (const video of this.videos) video.play().catch(() => {});
    }

    seek(time) {
      this.moved(Math.min(Math.max(time, 0), this.duration));
      for (const video of this.videos) {
        // Into the frame, not onto its edge: times of files are rounded.
        video.currentTime = Math.min(this.time + 1e-4, Math.max(0, (video.duration || this.duration) - 0.001));
        if (this.playing && video.paused && this.time < video.duration) video.play().catch(() => {});
      }
    }

    /** Follow the frames that the leader shows; browsers that cannot tell them tick by timeupdate. */
    watch() {
      const leader = this.leader;
      if (!leader || !leader.requestVideoFrameCallback) return;
      leader.requestVideoFrameCallback(() => {
        if (!this.playing || leader !== this.leader) return;
        this.keepStep();
        this.watch();
      });
    }

    /** Bring every clip to the leader's time: a nudge for a little, a seek for much. */
    keepStep() {
      const leader = this.leader;
      const speed = this.rate;
      for (const video of this.videos) video.playbackRate = speed;
      if (!leader || !this.playing) return;
      for (const video of this.videos) {
        if (video === leader || leader.currentTime >= video.duration) continue;
        const ahead = video.currentTime - leader.currentTime;
        if (Math.abs(ahead) > 0.15) video.currentTime = leader.currentTime;
        else video.playbackRate = speed * (1 - Math.max(-0.2, Math.min(0.2, 2 * ahead)));
      }
      this.moved(leader.currentTime);
    }
  }

  class Player extends InStep {
    constructor(root, suite) {
      super();
      this.suite = suite;
      this.chosen = suite.models.map((_, index) => index).slice(0, SHOWN_FIRST);
      this.cursors = [];
      this.build(root);
      this.show();
    }

    get draw() {
      return Number(this.select.value);
    }

    get rate() {
      return Number(this.speed.value);
    }

    build(root) {
      const { noun } = this.suite; // what there is a clip of
      this.select = make("select", { "aria-label": noun });
      const groups = new Map();
      for (const [index, draw] of this.suite.draws.entries()) {
        const name = draw.category || `${noun}s`.toLowerCase();
        if (!groups.has(name)) groups.set(name, make("optgroup", { label: name }));
        const seed = this.suite.seeds > 1 ? `, seed ${draw.seed}` : "";
        groups.get(name).append(make("option", { value: index }, `${draw.prompt}${seed}`));
      }
      this.select.append(...groups.values());
      const order = [...this.select.options].map((option) => option.value);
      const go = (by) => () => {
        const at = order.indexOf(this.select.value) + by;
        this.select.value = order[(at + order.length) % order.length];
        this.show();
      };
      this.select.addEventListener("change", () => this.show());

      this.boxes = this.suite.models.map((model, index) => {
        const box = make("input", { type: "checkbox", value: index, checked: this.chosen.includes(index) });
        box.addEventListener("change", () => {
          this.chosen = this.chosen.filter((other) => other !== index).concat(box.checked ? [index] : []);
          this.show();
        });
        return box;
      });
      const choices = this.boxes.map((box, index) =>
        make("label", { "data-model": this.suite.models[index].name }, box, " ", make("bdi", {}, this.suite.models[index].label)));

      this.asked = make("p", { class: "asked" });
      this.stage = make("div", { class: "stage", tabIndex: 0, role: "group", "aria-label": "Clips; space plays, arrows step by a frame" });
      this.button = make("button", { type: "button", class: "play" }, "Play");
      this.button.addEventListener("click", () => (this.playing ? this.pause() : this.play()));
      this.scrub = make("input", { type: "range", min: 0, max: 1, step: "any", value: 0, "aria-label": "Position in seconds" });
      this.scrub.addEventListener("input", () => this.seek(Number(this.scrub.value)));
      this.speed = make("select", { "aria-label": "Speed" },
        ...["1", "0.5", "0.25"].map((value) => make("option", { value }, `${value}×`)));
      this.speed.addEventListener("change", () => this.keepStep());
      this.clock = make("output", {});
      this.curves = make("div", { class: "curves" });
      this.stage.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        if (event.key === " ") this.button.click();
        else if (event.key === "Home") this.seek(0);
        else if (step) { this.pause(); this.seek(this.time + step * this.frame); }
        else return;
        event.preventDefault();
      });
      root.append(
        make("p", { class: "note" }, this.suite.note),
        make("div", { class: "choose" },
          make("label", {}, make("span", {}, noun), this.select),
          ...[["Previous", -1, "‹"], ["Next", 1, "›"]].map(([which, by, sign]) => {
            const title = `${which} ${noun.toLowerCase()}`;
            return make("button", { type: "button", title, "aria-label": title, onclick: go(by) }, sign);
          })),
        make("fieldset", {}, make("legend", {}, `Models, at most ${MOST} at a time`), make("div", { class: "models" }, ...choices)),
        this.asked, this.stage,
        make("div", { class: "transport" }, this.button, this.scrub, this.speed, this.clock),
        this.curves,
      );
    }

    /** Put up the clips of the chosen models for the chosen prompt. */
    show() {
      const draw = this.suite.draws[this.draw];
      const clips = this.chosen.map((index) => this.suite.clips[index][this.draw]);
      this.load(clips);
      this.asked.replaceChildren(make("bdi", {}, draw.text || draw.prompt));
      for (const box of this.boxes) box.disabled = !box.checked && this.chosen.length >= MOST;
      this.stage.replaceChildren(...this.chosen.map((index, place) => this.card(index, COLOURS[place])));
      this.scrub.max = this.duration;
      this.scrub.step = this.frame;
      this.button.disabled = this.scrub.disabled = this.videos.length === 0;
      this.plot(clips);
      this.moved(0);
    }

    card(index, colour) {
      const model = this.suite.models[index];
      const clip = this.suite.clips[index][this.draw];
      const card = make("figure", {}, make("figcaption", {}, make("span", { class: "swatch" }), make("bdi", {}, model.label)));
      card.style.setProperty("--colour", colour);
      if (clip && clip.source) {
        const { text, prompt } = this.suite.draws[this.draw];
        card.append(this.video(clip.source, `${model.label}: ${text || prompt}`));
      } else {
        card.append(make("div", { class: "missing" }, (clip && clip.why) || "no clip here"));
      }
      if (clip && clip.values.length) {
        card.append(make("dl", { class: "values" }, ...clip.values.map(([name, value]) =>
          make("div", {}, make("dt", {}, name), make("dd", {}, value)))));
      }
      return card;
    }

    /** Show where playback is, under every curve. */
    moved(time) {
      super.moved(time);
      this.scrub.value = time;
      this.clock.textContent = `${time.toFixed(2)} / ${this.duration.toFixed(2)} s`;
      this.scrub.setAttribute("aria-valuetext", this.clock.textContent);
      for (const { cursor, readouts, largest } of this.cursors) {
        cursor.style.left = `${this.duration ? (100 * time) / this.duration : 0}%`;
        for (const { curve, readout } of readouts) {
          let at = curve.at_s.findIndex((second) => second > time + 1e-6);
          at = at < 0 ? curve.at_s.length - 1 : Math.max(0, at - 1);
          const value = curve.values[at];
          readout.textContent = value === null || value === undefined ? "-" : shorten(value, largest);
        }
      }
    }

    plot(clips) {
      this.cursors = [];
      const panels = [];
      for (const { name, title, unit } of this.suite.curves) {
        const lines = clips
          .map((clip, place) => ({ curve: clip && clip.curves[name], colour: COLOURS[place] }))
          .filter(({ curve }) => curve);
        const values = lines.flatMap(({ curve }) => curve.values).filter((value) => value !== null);
        if (values.length) panels.push(this.panel(title, unit, lines, Math.min(...values), Math.max(...values)));
      }
      this.curves.replaceChildren(...panels);
    }

    panel(title, unit, lines, low, high) {
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      svg.setAttribute("viewBox", "0 0 1 1");
      svg.setAttribute("preserveAspectRatio", "none");
      svg.setAttribute("aria-hidden", "true");
      // Never so near that a hair of difference looks like a fall.
      const span = Math.max(high - low, 0.1 * Math.abs(high)) || 1;
      const largest = Math.max(Math.abs(low), Math.abs(high));
      if (high) low = high - span;
      const readouts = [];
      for (const { curve, colour } of lines) {
        const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
        let pen = "M";
        const parts = [];
        for (const [index, value] of curve.values.entries()) {
          if (value === null) { pen = "M"; continue; }
          const x = curve.at_s[index] / (this.duration || 1);
          parts.push(`${pen}${x.toFixed(5)} ${(0.95 - (0.9 * (value - low)) / span).toFixed(5)}`);
          pen = "L";
        }
        path.setAttribute("d", parts.join(""));
        path.style.setProperty("--colour", colour);
        svg.append(path);
        const readout = make("i", {});
        readout.style.setProperty("--colour", colour);
        readouts.push({ curve, readout });
      }
      const cursor = make("div", { class: "cursor" });
      const track = make("div", { class: "track" }, svg, cursor,
        make("span", { class: "high" }, shorten(high, largest)), make("span", { class: "low" }, shorten(low, largest)));
      const point = (event) => {
        const box = track.getBoundingClientRect();
        this.seek(((event.clientX - box.left) / box.width) * this.duration);
      };
      track.addEventListener("pointerdown", (event) => { track.setPointerCapture(event.pointerId); point(event); });
      track.addEventListener("pointermove", (event) => event.buttons && point(event));
      this.cursors.push({ cursor, readouts, largest });
      return make("div", { class: "curve" },
        make("header", {}, make("b", {}, title), make("span", {}, unit), ...readouts.map(({ readout }) => readout)), track);
    }
  }

  // ---- Votes: which of two clips, names hidden ----

  const QUESTION = "Which holds together better?";
  const CHOICES = { ArrowLeft: "left", ArrowRight: "right", ArrowDown: "neither", s: "skip" };
  const KEPT = "steadybench-votes";
  const VOTER = "steadybench-voter";

  /** What the browser keeps of this page's votes; in memory alone where it keeps nothing. */
  const ballots = {
    votes: [],
    voter: [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join(""),
    lasting: true,
    load() {
      try {
        const voter = localStorage.getItem(VOTER);
        if (/^[0-9a-f]{8,32}$/.test(voter || "")) this.voter = voter;
        else localStorage.setItem(VOTER, this.voter);
        const kept = JSON.parse(localStorage.getItem(KEPT) || "[]");
        this.votes = Array.isArray(kept) ? kept.filter((vote) => vote && vote.choice && vote.left && vote.right) : [];
      } catch { this.lasting = false; }
    },
    /** Change the votes as all tabs have them. */
    change(change) {
      if (this.lasting) this.load();
      change(this.votes);
      try { localStorage.setItem(KEPT, JSON.stringify(this.votes)); } catch { this.lasting = false; }
    },
  };
  ballots.load();

  class Ballot extends InStep {
    constructor(root, suite) {
      super();
      this.suite = suite;
      // Every two clips of one draw that can be played.
      this.pairs = suite.draws.flatMap((draw, at) => suite.models.flatMap((_, a) =>
        suite.models.slice(0, a).map((_, b) => ({ draw, at, a, b }))))
        .filter(({ at, a, b }) => [a, b].every((model) => (suite.clips[model][at] || {}).source));
      if (!this.pairs.length) { root.remove(); return; }
      this.clips = new Set(this.pairs.flatMap(({ draw, at, a, b }) => [a, b].map((model) =>
        JSON.stringify([draw.prompt, draw.seed, suite.models[model].name, suite.clips[model][at].sha256]))));
      this.build(root);
      this.count();
    }

    build(root) {
      this.question = make("input", { value: QUESTION, maxLength: 200, "aria-label": "Question" });
      this.question.addEventListener("input", () => this.count());
      const open = make("button", { type: "button", class: "start" }, "Vote");
      open.addEventListener("click", () => this.open());
      this.save = make("button", { type: "button", class: "export" }, "Export votes.jsonl");
      this.save.addEventListener("click", () => this.export());
      this.told = make("output", {});
      root.append(
        make("div", { class: "choose" },
          make("label", {}, make("span", {}, "Question"), this.question), open, this.save),
        this.told,
      );
      this.asked = make("p", { class: "asked" });
      this.stage = make("div", { class: "stage two", tabIndex: -1 });
      this.bar = make("progress", { "aria-label": "Votes of all there can be" });
      this.tally = make("output", { "aria-live": "polite" });
      const key = (choice, label, keys) => {
        const button = make("button", { type: "button", "data-choice": choice, "aria-keyshortcuts": keys }, label, " ", make("kbd", {}, keys));
        button.addEventListener("click", () => this.act(choice));
        return button;
      };
      this.title = make("h2", {});
      this.box = make("dialog", { class: "ballot" },
        make("header", {}, this.title, key("close", "Close", "Esc")),
        this.asked, this.stage,
        make("div", { class: "keys" }, key("left", "Left", "←"), key("neither", "No difference", "↓"), key("right", "Right", "→")),
        make("div", { class: "keys" }, key("undo", "Undo", "U"), key("again", "From the start", "Space"), key("skip", "Skip", "S")),
        make("footer", {}, this.bar, this.tally));
      this.box.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const choice = CHOICES[event.key] || CHOICES[event.key.toLowerCase()]
          || { u: "undo", " ": "again" }[event.key.toLowerCase()];
        if (!choice) return;
        event.preventDefault();
        if (!event.repeat) this.act(choice);
      });
      this.box.addEventListener("close", () => { this.load([]); this.stage.replaceChildren(); this.count(); });
      root.append(this.box);
    }

    /** The votes on this question and on clips as they are now: made again, they are to be seen again. */
    get own() {
      const question = this.question.value.trim() || QUESTION;
      return ballots.votes.filter((vote) => vote.suite === this.suite.name && vote.question === question
        && [[vote.left, vote.left_sha256], [vote.right, vote.right_sha256]].every(([model, sha256]) =>
          this.clips.has(JSON.stringify([vote.prompt, vote.seed, model, sha256]))));
    }

    open() {
      for (const other of players) other.pause();
      this.title.textContent = this.question.value.trim() || QUESTION;
      this.box.showModal();
      this.stage.focus();
      this.next();
    }

    act(choice) {
      if (choice === "close") this.box.close();
      else if (choice === "again") { this.seek(0); this.play(); }
      else if (choice === "undo") this.undo();
      else if (this.pair) this.vote(choice);
    }

    vote(choice) {
      const { draw, at, sides } = this.pair;
      const [left, right] = sides.map((model) => this.suite.models[model].name);
      const [left_sha256, right_sha256] = sides.map((model) => this.suite.clips[model][at].sha256);
      ballots.change((votes) => votes.push({
        schema: 1, suite: this.suite.name, question: this.question.value.trim() || QUESTION, voter: ballots.voter,
        prompt: draw.prompt, seed: draw.seed, left, right, left_sha256, right_sha256, choice,
      }));
      this.next();
    }

    undo() {
      const last = this.own.at(-1);
      if (!last) return;
      ballots.change((votes) => {
        const at = votes.map((vote) => JSON.stringify(vote)).lastIndexOf(JSON.stringify(last));
        if (at >= 0) votes.splice(at, 1);
      });
      const index = (name) => this.suite.models.findIndex((model) => model.name === name);
      const sides = [index(last.left), index(last.right)];
      const pair = this.pairs.find(({ draw, a, b }) => draw.prompt === last.prompt && draw.seed === last.seed
        && sides.includes(a) && sides.includes(b));
      if (pair) this.put({ ...pair, sides });
      else this.next();
    }

    /** The pair of models of which the next vote says most, on the prompt that had the fewest. */
    next() {
      const names = this.suite.models.map((model) => model.name);
      const id = (prompt, seed, one, other) => JSON.stringify([prompt, seed, ...[one, other].sort()]);
      const seen = new Set();
      const wins = new Map();
      const asked = new Map();
      for (const { prompt, seed, left, right, choice } of this.own) {
        seen.add(id(prompt, seed, left, right));
        if (choice === "skip") continue;
        asked.set(prompt, (asked.get(prompt) || 0) + 1);
        const [first] = [left, right].sort();
        const points = choice === "neither" ? 0.5 : Number((choice === "left") === (left === first));
        const pair = JSON.stringify([left, right].sort());
        const [won, all] = wins.get(pair) || [0, 0];
        wins.set(pair, [won + points, all + 1]);
      }
      // What a vote on a pair still tells: the spread of its share of wins, p (1 - p) / (n + 1).
      const worth = ({ a, b }) => {
        const [won, all] = wins.get(JSON.stringify([names[a], names[b]].sort())) || [0, 0];
        const share = (won + 1) / (all + 2);
        return (share * (1 - share)) / (all + 1);
      };
      const left = this.pairs.filter(({ draw, a, b }) => !seen.has(id(draw.prompt, draw.seed, names[a], names[b])));
      const ranked = left
        .map((pair) => [worth(pair), -(asked.get(pair.draw.prompt) || 0), Math.random(), pair])
        .sort((one, other) => other[0] - one[0] || other[1] - one[1] || other[2] - one[2]);
      if (!ranked.length) this.put(null);
      else {
        const pair = ranked[0][3];
        this.put({ ...pair, sides: Math.random() < 0.5 ? [pair.a, pair.b] : [pair.b, pair.a] });
      }
    }

    put(pair) {
      this.pair = pair;
      this.count();
      const clips = pair ? pair.sides.map((model) => this.suite.clips[model][pair.at]) : [];
      this.load(clips);
      this.asked.replaceChildren(pair
        ? make("bdi", {}, pair.draw.text || pair.draw.prompt)
        : "You have seen every two clips that there are. Close, and export your votes.");
      this.stage.replaceChildren(...clips.map((clip, place) => make("figure", {},
        make("figcaption", {}, ["Left", "Right"][place]), this.video(clip.source, ["left clip", "right clip"][place]))));
      // Wide clips lie above each other where the screen is narrow, and tall ones beside.
      for (const video of this.videos) video.addEventListener("loadedmetadata", () =>
        this.stage.classList.toggle("wide", video.videoWidth > video.videoHeight));
      if (pair) this.play();
    }

    count() {
      const own = this.own;
      const models = new Set(this.pairs.map(({ a, b }) => `${a} ${b}`)).size;
      const names = (vote) => [vote.left, vote.right].sort().join(" ");
      const covered = new Set(own.filter((vote) => vote.choice !== "skip").map(names)).size;
      this.bar.max = this.pairs.length;
      this.bar.value = own.length;
      this.tally.textContent = `${own.length} of ${this.pairs.length} votes, ${covered} of ${models} pairs of models`;
      this.told.textContent = this.tally.textContent + (ballots.lasting ? ", kept in this browser"
        : "; this browser keeps nothing, so export them before you close the page");
      this.save.disabled = !ballots.votes.length;
    }

    export() {
      ballots.load();
      const lines = ballots.votes.map((vote) => `${JSON.stringify(vote)}\n`);
      const link = make("a", { href: URL.createObjectURL(new Blob(lines, { type: "application/jsonl" })), download: `votes-${ballots.voter}.jsonl` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    }
  }

  for (const root of document.querySelectorAll("[data-player]")) {
    players.push(new Player(root, data.players[Number(root.dataset.player)]));
  }
  for (const root of document.querySelectorAll("[data-vote]")) {
    new Ballot(root, data.players[Number(root.dataset.vote)]);
  }
})();
