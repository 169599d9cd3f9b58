"use strict";
for (const frames of document.querySelectorAll(".frames")) {
  const slider = document.createElement("input");
  slider.type = "range";
  slider.min = "0";
  slider.max = "100";
  slider.value = "50";
  slider.setAttribute("aria-label", "Share of the picture shown as it was before, in percent");
  slider.addEventListener("input", () => frames.style.setProperty("--cut", slider.value + "%"));
  frames.classList.add("sliding");
  frames.append(slider);
}
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].querySelectorAll("th")];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const numeric = head.classList.contains("number");
      const key = (row) => row.cells[column].textContent;
      const rows = [...table.tBodies[0].rows].sort((a, b) =>
        numeric ? Number(key(a)) - Number(key(b)) : key(a).localeCompare(key(b)));
      table.tBodies[0].append(...(down ? rows.reverse() : rows));
    });
  });
}
