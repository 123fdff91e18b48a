// Turns the dials of a lesson: shows what the lesson's kernel recorded at the position of its sliders.
for (const form of document.querySelectorAll("form.dial")) {
  const pages = JSON.parse(form.querySelector("script").textContent);
  const sliders = [...form.querySelectorAll("input")];
  form.addEventListener("input", () => {
    let place = 0; // the last slider counts fastest
    for (const slider of sliders) {
      place = place * (Number(slider.max) + 1) + Number(slider.value);
      slider.nextElementSibling.value = JSON.parse(slider.dataset.values)[slider.value];
    }
    form.querySelector(".dial-view").innerHTML = pages[place];
  });
}
