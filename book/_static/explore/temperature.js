// Temperature and soft targets: exact arithmetic, the same as tinykd.losses.kl_divergence and distillation.
(function () {
  const CLASSES = ["person", "place", "no name"];

  // Softmax of logits / T, without overflow.
  function soften(logits, T) {
    const top = Math.max(...logits);
    const raised = logits.map((logit) => Math.exp((logit - top) / T));
    const sum = raised.reduce((a, b) => a + b);
    return raised.map((value) => value / sum);
  }

  // KL(teacher ‖ student) in nats.
  function divergence(teacher, student) {
    return teacher.reduce((sum, p, k) => sum + p * Math.log(p / student[k]), 0);
  }

  Object.assign(tinykd, { soften, divergence });

  function start() {
    const { place, controls, said } = tinykd.figure("explore-temperature");
    const heat = tinykd.control(controls, "temperature T", tinykd.slider(-0.3, 1.3, 0.05, 0), show);
    const odds = (who, numbers) =>
      numbers.map((number, k) => tinykd.control(controls, `${who}: odds of ${CLASSES[k]}`, tinykd.number(number), show));
    const bets = { teacher: odds("teacher", [64, 16, 1]), student: odds("student", [4, 4, 1]) };
    const picture = tinykd.picture(place, "explore-temperature", 360, 250);
    place.append(said);

    function show() {
      const T = 10 ** Number(heat.value);
      const logits = (inputs) => inputs.map((input) => Math.log(Math.min(Math.max(Number(input.value) || 1, 1), 999)));
      const teacher = soften(logits(bets.teacher), T);
      const student = soften(logits(bets.student), T);
      const marks = CLASSES.map((name, k) => {
        const x = 20 + 115 * k;
        return (
          tinykd.bar(x, 215, 42, 180 * teacher[k], "teacher") +
          tinykd.bar(x + 46, 215, 42, 180 * student[k], "student") +
          tinykd.text(x + 21, 208 - 180 * teacher[k], teacher[k].toFixed(2)) +
          tinykd.text(x + 67, 208 - 180 * student[k], student[k].toFixed(2)) +
          tinykd.text(x + 44, 236, name)
        );
      });
      const list = (answer) => CLASSES.map((name, k) => `${name} ${answer[k].toFixed(2)}`).join(", ");
      heat.setAttribute("aria-valuetext", T.toFixed(2));
      picture.fill(
        `<path class="axis" d="M10 215H350"/>${marks.join("")}`,
        `At temperature ${T.toFixed(2)} the teacher says ${list(teacher)}; the student says ${list(student)}.`,
      );
      const kl = divergence(teacher, student);
      const pull = Math.max(...teacher.map((p, k) => Math.abs(p - student[k]))) / T;
      said.textContent =
        `T = ${T.toFixed(2)}. KL = ${kl.toFixed(4)} nats, T² · KL = ${(T * T * kl).toFixed(4)}. ` +
        `The strongest pull on a logit is ${pull.toFixed(4)}, and ${(T * T * pull).toFixed(4)} with the factor T².`;
    }
    show();
  }

  document.addEventListener("DOMContentLoaded", start);
})();
