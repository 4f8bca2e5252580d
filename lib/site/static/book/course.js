// Folded solutions say what they hold.
document.addEventListener("DOMContentLoaded", () => {
  for (const label of document.querySelectorAll("div.cell.tag_solution summary p.collapsed")) label.textContent = "Show a solution";
  for (const label of document.querySelectorAll("div.cell.tag_solution summary p.expanded")) label.textContent = "Hide the solution";
});

// The roles that docutils gives to a bibliography are out of date and confuse screen readers.
document.addEventListener("DOMContentLoaded", () => {
  for (const element of document.querySelectorAll(".citation-list[role], .citation[role]")) element.removeAttribute("role");
});

// What scrolls sideways inside the page can be reached and scrolled with the keyboard.
window.addEventListener("load", () => {
  for (const box of document.querySelectorAll(".bd-article table, .bd-article pre, .bd-article mjx-container[display=true]")) {
    if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
  }
});
