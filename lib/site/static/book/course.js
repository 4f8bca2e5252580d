// Folded cells say what they hold: "Solution" instead of "Show code cell content".
document.addEventListener("DOMContentLoaded", () => {
  for (const summary of document.querySelectorAll("div.cell.tag_solution details > summary")) {
    for (const label of summary.querySelectorAll("span")) {
      label.textContent = label.textContent.replace(/^Show .*$/, "Show the solution").replace(/^Hide .*$/, "Hide the solution");
    }
  }
});
