// Log in with a token, at the address of the page that is wanted; the session is a cookie that scripts cannot read.

const form = document.getElementById("login"), problem = document.getElementById("problem");
document.documentElement.dataset.theme = localStorage.getItem("theme") ?? (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  problem.textContent = "";
  try {
    const answer = await fetch("/login", {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ token: form.token.value.trim() }),
    });
    if (answer.ok) location.reload();
    else problem.textContent = (await answer.json()).error;
  } catch {
    problem.textContent = "The monitor does not answer.";
  }
});
