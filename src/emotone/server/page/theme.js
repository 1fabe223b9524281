// Before anything is painted: the colours that were chosen in the settings.
(() => {
  try {
    const theme = JSON.parse(localStorage.getItem("emotone.preferences") ?? "{}").theme;
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Storage that is closed or damaged: the system's colours.
  }
})();
