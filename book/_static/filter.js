// Hides the rows of the results page that do not contain what the reader typed.
const box = document.getElementById("filter");
box.addEventListener("input", () => {
  const wanted = box.value.toLowerCase();
  for (const row of document.querySelectorAll("table.filtered tbody tr")) {
    row.hidden = !row.textContent.toLowerCase().includes(wanted);
  }
});
