"use strict";
// The timeline of one recording: it is drawn from the data in the page, and nothing is fetched.
(() => {
  const SILENCE = -1, OTHER_SOUND = -2;
  const LEAST_SPAN = 2;
  const byId = (id) => document.getElementById(id);
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  const bytes = (base64) => {
    const text = atob(base64);
    const found = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) found[i] = text.charCodeAt(i);
    return found;
  };
  const floats = (base64) => new Float32Array(bytes(base64).buffer);

  /** "1:02:03.4", with as many decimals as asked for. */
  const clock = (seconds, decimals) => {
    const unit = 10 ** decimals;
    const whole = Math.round(seconds * unit);
    const parts = [Math.floor(whole / unit / 3600), Math.floor(whole / unit / 60) % 60];
    const rest = (whole / unit) % 60;
    const tail = rest.toFixed(decimals).padStart(decimals ? decimals + 3 : 2, "0");
    return parts[0] ? `${parts[0]}:${String(parts[1]).padStart(2, "0")}:${tail}` : `${parts[1]}:${tail}`;
  };

  const data = JSON.parse(byId("data").textContent);
  const duration = data.duration;
  const segments = data.segments.map(([start, end, label, confidence, track, channel]) => (
    { start, end, label, confidence, track, channel }
  ));
  const tracks = data.tracks.map((track, i) => ({
    ...track,
    // Silence and other sound belong to every voice of their channel.
    segments: segments.filter((s) => (s.label < 0 ? s.channel === track.channel : s.track === i)),
  }));
  const channels = data.channels.map((channel, i) => ({
    starts: floats(channel.starts),
    ends: floats(channel.ends),
    scores: bytes(channel.scores),
    tracks: tracks.filter((track) => track.channel === i),
  }));
  const envelope = data.envelope && { step: data.envelope.step, points: bytes(data.envelope.points) };
  const emotions = data.emotions;

  const nameOf = (segment) => (
    segment.label >= 0 ? emotions[segment.label].name
      : segment.label === SILENCE ? "silence" : "non-speech"
  );

  /** The index of the first that begins after a time. */
  const firstAfter = (count, startOf, time) => {
    let low = 0, high = count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (startOf(middle) <= time) low = middle + 1; else high = middle;
    }
    return low;
  };
  const at = (track, time) => {
    // A player that is sent to the beginning of a segment may stand a hair before it.
    const here = time + 0.0015;
    const found = track.segments[firstAfter(track.segments.length, (i) => track.segments[i].start, here) - 1];
    return found && here < found.end ? found : null;
  };

  // -- where we are

  const view = byId("view"), canvas = byId("canvas"), audio = byId("audio"), strip = byId("strip");
  const cursor = byId("cursor"), tip = byId("tip"), now = byId("now");
  let from = 0, to = duration, position = 0, printing = false;

  if (audio && byId("sound")) {
    const blob = new Blob([bytes(byId("sound").textContent)], { type: "audio/mpeg" });
    audio.src = URL.createObjectURL(blob);
  }

  const show = (start, span) => {
    const wanted = clamp(span, Math.min(LEAST_SPAN, duration), duration);
    from = clamp(start, 0, duration - wanted);
    to = from + wanted;
    const whole = wanted >= duration;
    byId("whole").disabled = byId("out").disabled = whole;
    byId("in").disabled = wanted <= Math.min(LEAST_SPAN, duration);
    strip.hidden = whole;
    const box = byId("window").style;
    box.left = `${(100 * from) / duration}%`;
    box.width = `${(100 * wanted) / duration}%`;
    redraw();
    place();
  };
  let waiting = false;
  const redraw = () => {
    if (printing) { draw(); return; }
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  };
  const zoom = (factor, around) => {
    const middle = around ?? (position >= from && position <= to ? position : (from + to) / 2);
    show(middle - (middle - from) * factor, (to - from) * factor);
  };
  const pan = (seconds) => show(from + seconds, to - from);

  /** Put the cursor and what it stands on where the position is. */
  const place = () => {
    const share = (position - from) / (to - from);
    cursor.hidden = share < 0 || share > 1;
    cursor.style.left = `${100 * share}%`;
    byId("stripcursor").style.left = `${(100 * position) / duration}%`;
  };
  const heard = (time) => tracks
    .map((track) => [track.name, at(track, time)])
    .filter(([, segment]) => segment)
    .map(([name, segment]) => {
      const sure = segment.label >= 0 ? ` ${Math.round(100 * segment.confidence)} %` : "";
      return `${name && tracks.length > 1 ? `${name}: ` : ""}${nameOf(segment)}${sure}`;
    });

  let told = "";
  const tell = () => {
    const text = [clock(position, 1), ...heard(position)].join(" · ");
    if (text === told) return;
    told = text;
    now.textContent = text;
    view.setAttribute("aria-valuenow", position.toFixed(1));
    view.setAttribute("aria-valuetext", text);
    mark();
  };
  const moved = (time, follow) => {
    position = clamp(time, 0, duration);
    if (follow && (position < from || position > to)) show(position - 0.05 * (to - from), to - from);
    place();
    tell();
  };
  const seek = (time, follow = true) => {
    moved(time, follow);
    if (audio) audio.currentTime = position;
  };

  if (audio) {
    let wasTold = 0;
    const tick = (when) => {
      if (audio.paused) return;
      // Turn the page as the cursor leaves it, but leave alone who looks elsewhere meanwhile.
      const seen = position >= from && position <= to;
      position = clamp(audio.currentTime, 0, duration);
      if (seen && position > to) show(position - 0.05 * (to - from), to - from);
      place();
      if (when - wasTold > 200) { wasTold = when; tell(); }
      requestAnimationFrame(tick);
    };
    audio.addEventListener("play", () => requestAnimationFrame(tick));
    for (const name of ["seeked", "pause", "ended"]) {
      audio.addEventListener(name, () => moved(audio.currentTime, true));
    }
    audio.addEventListener("error", () => { byId("missing").hidden = false; });
  }

  // -- drawing

  const palette = () => {
    if (printing) {
      return { ink: "#000", muted: "#444", line: "#999", grid: "#ddd", accent: "#0b6e99", second: "#d55e00" };
    }
    const style = getComputedStyle(document.documentElement);
    const found = {};
    for (const name of ["ink", "muted", "line", "grid", "accent", "second"]) {
      found[name] = style.getPropertyValue(`--${name}`).trim();
    }
    return found;
  };
  /** Black or white, whichever reads better on a colour (WCAG relative luminance). */
  const inkOn = (hex) => {
    const [r, g, b] = [1, 3, 5].map((i) => {
      const c = parseInt(hex.slice(i, i + 2), 16) / 255;
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.18 ? "#000" : "#fff";
  };
  const inks = emotions.map((emotion) => inkOn(emotion.colour));

  const CAPTION = 17, WAVE = 56, BAND = 26, SCORES = 84, PLACES = 66, GAP = 8, AXIS = 22;
  const heightOfAll = () => (
    (envelope ? CAPTION + WAVE + GAP : 0) + AXIS
    + channels.reduce((sum, channel) => (
      sum + channel.tracks.length * (CAPTION + BAND + 2) + GAP
      + (channel.starts.length ? 2 * CAPTION + SCORES + PLACES + 2 * GAP : 0)
    ), 0)
  );

  const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800];
  const draw = () => {
    const width = view.clientWidth;
    if (!width) return;
    const height = heightOfAll(), density = Math.min(Math.max(devicePixelRatio, printing ? 2 : 1), 3);
    if (canvas.width !== Math.round(width * density) || canvas.height !== Math.round(height * density)) {
      canvas.width = Math.round(width * density);
      canvas.height = Math.round(height * density);
      canvas.style.height = `${height}px`;
    }
    const pen = canvas.getContext("2d"), colours = palette();
    pen.setTransform(density, 0, 0, density, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = "12px system-ui, sans-serif";
    pen.lineJoin = "round";
    const scale = width / (to - from), x = (time) => (time - from) * scale;
    let top = 0;
    const caption = (texts) => {
      let left = 5; // clear of the cursor at the beginning
      pen.textAlign = "left";
      pen.textBaseline = "alphabetic";
      for (const [text, colour] of texts) {
        pen.fillStyle = colour;
        pen.fillText(text, left, top + 12);
        left += pen.measureText(text).width + 10;
      }
      top += CAPTION;
    };
    const frame = (size) => {
      pen.fillStyle = colours.grid;
      pen.globalAlpha = 0.45;
      pen.fillRect(0, top, width, size);
      pen.globalAlpha = 1;
    };

    if (envelope) {
      caption([["Sound", colours.muted]]);
      pen.fillStyle = colours.accent;
      const { points, step } = envelope, middle = top + WAVE / 2;
      for (let column = 0; column < width; column++) {
        const first = Math.floor((from + column / scale) / step);
        const last = Math.max(first + 1, Math.floor((from + (column + 1) / scale) / step));
        let peak = 0;
        for (let i = first; i < last && i < points.length; i++) if (points[i] > peak) peak = points[i];
        const half = Math.max(0.5, ((peak / 255) * WAVE) / 2);
        if (first < points.length) pen.fillRect(column, middle - half, 1, 2 * half);
      }
      top += WAVE + GAP;
    }
    for (const channel of channels) {
      for (const track of channel.tracks) {
        caption([[track.name || "Emotion", colours.muted]]);
        band(pen, colours, track, top, x, width);
        top += BAND + 2;
      }
      top += GAP;
      if (!channel.starts.length) continue;
      const columns = means(channel, Math.ceil(width), scale);
      caption([["Scores, 0 to 100 %", colours.muted]]);
      frame(SCORES);
      stack(pen, colours, columns, top);
      top += SCORES + GAP;
      caption([["Valence", colours.accent], ["and arousal", colours.second], ["−1 to 1", colours.muted]]);
      frame(PLACES);
      pen.fillStyle = colours.line;
      pen.fillRect(0, top + PLACES / 2, width, 1);
      line(pen, columns, "valence", colours.accent, [], top);
      line(pen, columns, "arousal", colours.second, [5, 2], top);
      top += PLACES + GAP;
    }
    axis(pen, colours, top, x, width);
  };

  /** The segments in view or, where a pixel holds several, what takes most of each. */
  const visible = (track, x, width) => {
    const { segments } = track, startOf = (i) => segments[i].start;
    const found = segments.slice(
      Math.max(0, firstAfter(segments.length, startOf, from) - 1), firstAfter(segments.length, startOf, to),
    );
    if (found.length < width / 2) return found;
    const kinds = emotions.length + 2, taken = new Float64Array(Math.ceil(width) * kinds);
    for (const segment of found) {
      const left = Math.max(x(segment.start), 0), right = Math.min(x(segment.end), width);
      for (let column = Math.floor(left); column < right; column++) {
        taken[column * kinds + segment.label + 2] += Math.min(right, column + 1) - Math.max(left, column);
      }
    }
    const merged = [];
    const span = (to - from) / width;
    for (let column = 0; column < width; column++) {
      const here = taken.subarray(column * kinds, (column + 1) * kinds);
      const most = here.reduce((best, value, i) => (value > here[best] ? i : best), 0);
      if (!here[most]) continue;
      const start = from + column * span, last = merged[merged.length - 1];
      if (last && last.label === most - 2 && last.column === column - 1) {
        last.end = start + span;
        last.column = column;
      } else merged.push({ start, end: start + span, label: most - 2, column });
    }
    return merged;
  };
  const band = (pen, colours, track, top, x, width) => {
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    for (const segment of visible(track, x, width)) {
      const left = Math.max(x(segment.start), -1), right = Math.min(x(segment.end), width + 1);
      if (right <= 0) continue;
      if (segment.label === SILENCE) {
        pen.fillStyle = colours.line;
        pen.fillRect(left, top + BAND / 2 - 1, right - left, 2);
        continue;
      }
      if (segment.label === OTHER_SOUND) {
        pen.save();
        pen.beginPath();
        pen.rect(left, top, right - left, BAND);
        pen.clip();
        pen.strokeStyle = colours.line;
        pen.lineWidth = 1;
        pen.beginPath();
        for (let slant = Math.floor(left / 6) * 6 - BAND; slant < right; slant += 6) {
          pen.moveTo(slant, top + BAND);
          pen.lineTo(slant + BAND, top);
        }
        pen.stroke();
        pen.restore();
        continue;
      }
      pen.fillStyle = emotions[segment.label].colour;
      // A hair of space tells neighbours apart that have one emotion, where there is room for it.
      pen.fillRect(left, top, right - left > 4 ? right - left - 1 : right - left, BAND);
      const name = nameOf(segment);
      if (right - left > 24 && pen.measureText(name).width + 8 < right - left) {
        pen.fillStyle = inks[segment.label];
        pen.fillText(name, (Math.max(left, 0) + Math.min(right, width)) / 2, top + BAND / 2 + 0.5);
      }
    }
  };

  /** Mean scores in each column of pixels, over what is covered; nothing where nobody speaks. */
  const means = (channel, count, scale) => {
    const size = data.scored;
    const sums = Array.from({ length: count }, () => null);
    const { starts, ends, scores } = channel;
    for (let i = Math.max(0, firstAfter(starts.length, (k) => starts[k], from) - 1); i < starts.length; i++) {
      if (starts[i] > to) break;
      const left = (Math.max(starts[i], from) - from) * scale, right = (Math.min(ends[i], to) - from) * scale;
      for (let column = Math.floor(left); column < right && column < count; column++) {
        const weight = Math.min(right, column + 1) - Math.max(left, column);
        if (weight <= 0) continue;
        sums[column] ??= new Float64Array(size);
        for (let k = 0; k < size; k++) sums[column][k] += weight * scores[i * size + k];
      }
    }
    return sums.map((sum) => {
      if (!sum) return null;
      let all = 0, known = 0, valence = 0, arousal = 0;
      for (let k = 0; k < size; k++) {
        all += sum[k];
        if (emotions[k].valence === null) continue;
        known += sum[k];
        valence += sum[k] * emotions[k].valence;
        arousal += sum[k] * emotions[k].arousal;
      }
      return { shares: sum.map((value) => value / (all || 1)), valence: valence / (known || 1), arousal: arousal / (known || 1) };
    });
  };
  const stack = (pen, colours, columns, top) => {
    const parts = [...data.shown, -1];
    columns.forEach((column, left) => {
      if (!column) return;
      let bottom = top + SCORES, rest = 1;
      for (const k of parts) {
        const share = k < 0 ? Math.max(rest, 0) : column.shares[k];
        rest -= share;
        const size = share * SCORES;
        if (size < 0.05) continue;
        pen.fillStyle = k < 0 ? colours.line : emotions[k].colour;
        pen.fillRect(left, bottom - size, 1, size);
        bottom -= size;
      }
    });
  };
  const line = (pen, columns, name, colour, dashes, top) => {
    pen.strokeStyle = colour;
    pen.lineWidth = 1.6;
    pen.setLineDash(dashes);
    pen.beginPath();
    let drawing = false;
    columns.forEach((column, left) => {
      if (!column) { drawing = false; return; }
      const y = top + (PLACES / 2) * (1 - 0.96 * column[name]);
      // A column alone is a short stroke: a point would not be seen.
      if (drawing) pen.lineTo(left + 0.5, y); else pen.moveTo(left - 0.5, y);
      pen.lineTo(left + 1, y);
      drawing = true;
    });
    pen.stroke();
    pen.setLineDash([]);
  };
  const axis = (pen, colours, top, x, width) => {
    const most = Math.max(2, Math.floor(width / 80));
    const step = STEPS.find((each) => (to - from) / each <= most) ?? 86400;
    pen.fillStyle = colours.muted;
    pen.textBaseline = "alphabetic";
    for (let i = Math.ceil(from / step - 1e-6); i * step <= to + 1e-6; i++) {
      const place = x(i * step), text = clock(i * step, step < 1 ? 1 : 0);
      const half = pen.measureText(text).width / 2;
      pen.fillRect(clamp(place, 0, width - 1), top, 1, 5);
      pen.textAlign = "center";
      pen.fillText(text, clamp(place, half + 5, width - half), top + 18);
    }
  };

  // -- pointer and keys

  const timeAt = (event, element, low, high) => {
    const box = element.getBoundingClientRect();
    return low + (high - low) * clamp((event.clientX - box.left) / box.width, 0, 1);
  };
  let dragging = null;
  view.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    dragging = "view";
    view.setPointerCapture(event.pointerId);
    // A finger may be about to scroll the page: it seeks as it moves sideways or is lifted.
    if (event.pointerType !== "touch") seek(timeAt(event, view, from, to), false);
  });
  view.addEventListener("pointerup", (event) => {
    if (dragging === "view") seek(timeAt(event, view, from, to), false);
  });
  view.addEventListener("pointermove", (event) => {
    const time = timeAt(event, view, from, to);
    if (dragging === "view") seek(time, false);
    if (event.pointerType === "touch") return;
    tip.textContent = [clock(time, 1), ...heard(time)].join("\n");
    tip.hidden = false;
    const room = view.clientWidth - tip.offsetWidth;
    tip.style.left = `${clamp(event.clientX - view.getBoundingClientRect().left + 12, 0, room)}px`;
  });
  view.addEventListener("pointerleave", () => { tip.hidden = true; });
  strip.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    dragging = "strip";
    strip.setPointerCapture(event.pointerId);
    show(timeAt(event, strip, 0, duration) - (to - from) / 2, to - from);
  });
  strip.addEventListener("pointermove", (event) => {
    if (dragging === "strip") show(timeAt(event, strip, 0, duration) - (to - from) / 2, to - from);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    for (const element of [view, strip]) element.addEventListener(name, () => { dragging = null; });
  }
  view.addEventListener("wheel", (event) => {
    const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      zoom(event.deltaY > 0 ? 1.25 : 0.8, timeAt(event, view, from, to));
    } else if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY) && to - from < duration) {
      event.preventDefault();
      pan((sideways / view.clientWidth) * (to - from));
    }
  }, { passive: false });

  const KEYS = {
    ArrowLeft: (event) => seek(position - (event.shiftKey ? 10 : 1)),
    ArrowRight: (event) => seek(position + (event.shiftKey ? 10 : 1)),
    ArrowDown: (event) => seek(position - (event.shiftKey ? 10 : 1)),
    ArrowUp: (event) => seek(position + (event.shiftKey ? 10 : 1)),
    PageDown: () => seek(position - (to - from) / 4),
    PageUp: () => seek(position + (to - from) / 4),
    Home: () => seek(0),
    End: () => seek(duration),
    "+": () => zoom(0.5),
    "=": () => zoom(0.5),
    "-": () => zoom(2),
    0: () => show(0, duration),
    " ": () => { if (audio) { if (audio.paused) play(); else audio.pause(); } },
  };
  const play = () => { audio.play().catch(() => { byId("missing").hidden = false; }); };
  view.addEventListener("keydown", (event) => {
    const action = KEYS[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action(event);
  });
  byId("in").addEventListener("click", () => zoom(0.5));
  byId("out").addEventListener("click", () => zoom(2));
  byId("whole").addEventListener("click", () => show(0, duration));
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-time]");
    if (button) seek(Number(button.dataset.time));
  });

  // -- the table

  const listed = segments.filter((segment) => segment.label !== SILENCE);
  const body = byId("rows"), pattern = byId("row"), pager = byId("pager");
  let page = 0;
  const turn = (wanted) => {
    page = clamp(wanted, 0, Math.ceil(listed.length / data.page) - 1);
    const first = page * data.page;
    body.replaceChildren(...listed.slice(first, first + data.page).map((segment) => {
      const row = pattern.content.cloneNode(true);
      const put = (name, text) => { const cell = row.querySelector(`.${name}`); if (cell) cell.textContent = text; };
      const button = row.querySelector("button");
      button.dataset.time = segment.start;
      button.textContent = clock(segment.start, 1);
      put("end", clock(segment.end, 1));
      put("voice", segment.track >= 0 ? tracks[segment.track].name : "");
      put("emotion", nameOf(segment));
      row.querySelector(".emotion").classList.add(segment.label >= 0 ? `e${segment.label}` : "none");
      put("sure", segment.label >= 0 ? `${Math.round(100 * segment.confidence)} %` : "");
      return row;
    }));
    byId("shown").textContent = `${first + 1} to ${Math.min(first + data.page, listed.length)} of ${listed.length}`;
    byId("earlier").disabled = page === 0;
    byId("later").disabled = first + data.page >= listed.length;
    marked = [];
    mark();
  };
  let marked = [];
  /** Mark the rows that are heard now. */
  const mark = () => {
    for (const row of marked) row.removeAttribute("aria-current");
    marked = [];
    if (!body) return;
    const first = page * data.page;
    for (const track of tracks) {
      const segment = at(track, position);
      const row = segment && body.rows[listed.indexOf(segment) - first];
      if (row && segment.label !== SILENCE) { row.setAttribute("aria-current", "true"); marked.push(row); }
    }
  };
  if (pager) {
    pager.hidden = false;
    byId("earlier").addEventListener("click", () => turn(page - 1));
    byId("later").addEventListener("click", () => turn(page + 1));
    turn(0);
  }

  // -- whatever changes the look

  new ResizeObserver(redraw).observe(view);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  let before = null;
  const print = (on) => {
    if (on === printing) return;
    printing = on;
    if (on) { before = [from, to - from]; show(0, duration); } else show(...before);
  };
  addEventListener("beforeprint", () => print(true));
  addEventListener("afterprint", () => print(false));
  document.documentElement.classList.add("scripted");
  show(0, duration);
  tell();
})();
