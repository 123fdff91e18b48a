// Cost against F1: the recorded cascades of experiments/results/fusion.json; the page brings them along.
(function () {
  const NAMES = {
    product: "the whole sentence",
    lowest: "its least sure word",
    entropy: "the mean entropy",
    word: "each word alone",
  };

  function start() {
    const pairs = JSON.parse(document.getElementById("cost-data").textContent);
    const { place, controls, said } = tinykd.figure("explore-cost");
    const names = pairs.map((pair, i) => [i, pair.name]);
    const pair = tinykd.control(controls, "student", tinykd.select(names, 0), show);
    const way = tinykd.control(controls, "confidence of", tinykd.select(Object.entries(NAMES), "product"), show);
    const asked = tinykd.control(controls, "deferred to the teacher", tinykd.slider(0, 100, 1, 30), show);
    const picture = tinykd.picture(place, "explore-cost", 360, 260);
    place.append(said);

    const x = (cost) => 50 + 190 * cost;

    function show() {
      const { teacher, student, ways } = pairs[pair.value];
      const points = ways[way.value]; // [threshold, deferral rate, cost, F1]
      const distance = (point) => Math.abs(100 * point[1] - asked.value);
      const at = points.reduce((best, point) => (distance(point) < distance(best) ? point : best));
      const scores = Object.values(ways).flat().map((point) => point[3]);
      const [low, high] = [Math.min(...scores) - 0.003, Math.max(...scores, teacher.test) + 0.003];
      const y = (score) => 220 - (200 * (score - low)) / (high - low);
      const line = (list) => "M" + list.map((point) => `${x(point[2]).toFixed(1)} ${y(point[3]).toFixed(1)}`).join("L");
      const marks = ['<path class="axis" d="M50 10V220H350"/>', tinykd.text(84, 20, "entity F1"), tinykd.text(200, 256, "cost (1: the teacher alone)")];
      for (const cost of [0, 0.5, 1, 1.5]) marks.push(tinykd.text(x(cost), 237, cost));
      for (let step = 0; step <= 4; step++) {
        const score = low + ((high - low) * step) / 4;
        marks.push(tinykd.text(26, y(score) + 4, score.toFixed(3)));
      }
      for (const [name, list] of Object.entries(ways)) {
        marks.push(`<path class="curve ${name === way.value ? "now" : ""}" d="${line(list)}"/>`);
      }
      marks.push(`<path class="random" d="${line([points[0], points[points.length - 1]])}"/>`);
      marks.push(`<circle class="student" cx="${x(student.cost)}" cy="${y(student.test)}" r="6"/>`);
      marks.push(`<rect class="teacher" x="${x(1) - 6}" y="${y(teacher.test) - 6}" width="12" height="12"/>`);
      marks.push(`<circle class="at" cx="${x(at[2])}" cy="${y(at[3])}" r="7"/>`);
      const handed = `${(100 * at[1]).toFixed(0)} %`;
      const told =
        `${handed} of the sentences go to the teacher (threshold ${at[0].toFixed(3)}). ` +
        `Cost ${at[2].toFixed(2)} of the teacher's, entity F1 ${at[3].toFixed(3)}: ` +
        `${((100 * at[3]) / teacher.test).toFixed(1)} % of the teacher's ${teacher.test.toFixed(3)}.`;
      asked.setAttribute("aria-valuetext", handed);
      picture.fill(marks.join(""), `Entity F1 against cost. ${told} The student alone has ${student.test.toFixed(3)}.`);
      said.textContent = told;
    }

    // A click takes the nearest point of the curve.
    picture.addEventListener("click", (event) => {
      const box = picture.getBoundingClientRect();
      const cost = ((event.clientX - box.left) * (360 / box.width) - 50) / 190;
      const points = pairs[pair.value].ways[way.value];
      const near = points.reduce((a, b) => (Math.abs(b[2] - cost) < Math.abs(a[2] - cost) ? b : a));
      asked.value = Math.round(100 * near[1]);
      show();
    });
    show();
  }

  document.addEventListener("DOMContentLoaded", start);
})();
