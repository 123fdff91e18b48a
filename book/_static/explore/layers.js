// Which teacher layer each student layer stands for: tinykd.models.layer_map, drawn.
(function () {
  // Layers count from 0, as in Python.
  function layerMap(teacher, student, kind) {
    const places = [...Array(student).keys()];
    if (kind === "uniform") return places.map((m) => Math.floor(((m + 1) * teacher) / student) - 1);
    if (kind === "first") return places;
    return places.map((m) => teacher - student + m); // last
  }

  tinykd.layerMap = layerMap;

  function start() {
    const { place, controls, said } = tinykd.figure("explore-layers");
    const teacher = tinykd.control(controls, "teacher layers", tinykd.slider(1, 12, 1, 6), resized);
    const student = tinykd.control(controls, "student layers", tinykd.slider(1, 12, 1, 3), resized);
    const kinds = ["uniform", "first", "last", "explicit"].map((kind) => [kind, kind]);
    const kind = tinykd.control(controls, "map", tinykd.select(kinds, "uniform"), resized);
    const explicit = document.createElement("div");
    explicit.className = "explore-controls";
    place.append(explicit);
    const picture = tinykd.picture(place, "explore-layers", 360, 200);
    place.append(said);
    let map = [];
    let chosen = 0; // the student layer that the next click gives a teacher layer

    function resized() {
      const N = Number(teacher.value);
      if (Number(student.value) > N) student.value = N;
      const M = Number(student.value);
      student.setAttribute("aria-valuetext", `${M} of at most ${N}`);
      if (kind.value !== "explicit") map = layerMap(N, M, kind.value);
      else map = layerMap(N, M, "uniform").map((layer, m) => (map[m] < N ? map[m] : layer));
      chosen = Math.min(chosen, M - 1);
      pickers();
      show();
    }

    // In an explicit map every student layer has a list of its own.
    function pickers() {
      explicit.replaceChildren();
      if (kind.value !== "explicit") return;
      const layers = [...Array(Number(teacher.value)).keys()].map((n) => [n, `teacher layer ${n}`]);
      map.forEach((layer, m) => {
        const select = tinykd.control(explicit, `student layer ${m}`, tinykd.select(layers, layer), () => {
          map[m] = Number(select.value);
          show();
        });
        select.addEventListener("focus", () => (chosen = m));
      });
    }

    function show() {
      const [N, M] = [Number(teacher.value), map.length];
      const tall = 26 * N + 20;
      const height = (place) => tall - 20 - 26 * place;
      const rise = (m) => height(M > 1 ? (m * (N - 1)) / (M - 1) : (N - 1) / 2);
      const box = (x, y, role, what, number) =>
        `<g class="${role}" data-${what}="${number}"><rect x="${x}" y="${y - 10}" width="110" height="20" rx="3"/>` +
        `${tinykd.text(x + 55, y + 5, `${what} ${number}`)}</g>`;
      const marks = map.map((layer, m) => `<path class="link" d="M130 ${height(layer)}L230 ${rise(m)}"/>`);
      for (let n = 0; n < N; n++) {
        marks.push(box(20, height(n), map.includes(n) ? "teacher" : "teacher unused", "teacher", n));
      }
      map.forEach((_, m) => {
        const role = kind.value === "explicit" && m === chosen ? "student chosen" : "student";
        marks.push(box(230, rise(m), role, "student", m));
      });
      const lines = map.map((layer, m) => `student layer ${m} stands for teacher layer ${layer}`).join(", ");
      picture.fill(marks.join(""), `Two stacks of layers, 0 at the bottom: ${lines}.`, tall);
      const given = kind.value === "explicit" ? `(${map.join(", ")}${M === 1 ? "," : ""})` : `"${kind.value}"`;
      const unused = [...Array(N).keys()].filter((n) => !map.includes(n));
      const rest = unused.length ? ` No student layer stands for ${unused.join(", ")}.` : " Every teacher layer is used.";
      said.textContent = `layer_map(${N}, ${M}, ${given}) = [${map.join(", ")}].${rest}`;
    }

    // The mouse may pick, too: a student layer, then the teacher layer that it is to stand for.
    picture.addEventListener("click", (event) => {
      const box = event.target.closest("g");
      if (!box) return;
      kind.value = "explicit";
      if (box.dataset.student) chosen = Number(box.dataset.student);
      else map[chosen] = Number(box.dataset.teacher);
      pickers();
      show();
    });
    resized();
  }

  document.addEventListener("DOMContentLoaded", start);
})();
