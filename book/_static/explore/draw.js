// What the figures of lessons 02, 03 and 11 share: rows of controls, and SVG written as text.
window.tinykd = {
  // One control with its label; `show` is called at every change.
  control(parent, label, input, show) {
    const row = document.createElement("label");
    const name = document.createElement("span");
    name.textContent = label;
    row.append(name, input);
    parent.append(row);
    input.addEventListener("input", show);
    return input;
  },

  slider(min, max, step, value) {
    return Object.assign(document.createElement("input"), { type: "range", min, max, step, value });
  },

  number(value) {
    return Object.assign(document.createElement("input"), { type: "number", min: 1, max: 999, step: 1, value });
  },

  select(options, chosen) {
    const select = document.createElement("select");
    for (const [value, text] of options) {
      select.append(new Option(text, value, false, String(value) === String(chosen)));
    }
    return select;
  },

  // An empty picture with a text for those who do not see it; draw into it with `fill`.
  picture(parent, name, width, height) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("role", "img");
    svg.setAttribute("class", `explore-picture ${name}`);
    parent.append(svg);
    svg.fill = (marks, told, tall = height) => {
      svg.setAttribute("viewBox", `0 0 ${width} ${tall}`);
      svg.setAttribute("aria-label", told);
      svg.innerHTML = marks;
    };
    return svg;
  },

  // The figure's place in the page: its controls, its picture, and the sentence that says what is seen.
  figure(id) {
    const place = document.getElementById(id);
    const controls = document.createElement("div");
    controls.className = "explore-controls";
    const said = document.createElement("output");
    said.className = "explore-said";
    place.replaceChildren(controls);
    return { place, controls, said };
  },

  bar(x, bottom, width, height, role) {
    return `<rect class="${role}" x="${x}" y="${bottom - height}" width="${width}" height="${height}"/>`;
  },

  text(x, y, words, role = "") {
    return `<text class="${role}" x="${x}" y="${y}">${words}</text>`;
  },
};
