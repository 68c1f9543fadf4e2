// Runs before the page is drawn, so that a chosen theme does not flash up late.
try {
  const chosen = localStorage.getItem("definable-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // Without storage the system's theme is taken.
}
