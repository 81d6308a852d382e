// Sends and shows messages without loading the page again. Without this script the forms do the same.
// Nothing is stored in the browser: the talk is in this page alone, and "leave quickly" empties it.
"use strict";
(() => {
  const talk = document.getElementById("talk");
  const field = document.getElementById("text");
  const { lost, you, leave } = document.body.dataset;
  let busy = false;

  function add(tag, where, text) {
    const made = document.createElement(tag);
    if (text) made.textContent = text;
    where.append(made);
    return made;
  }

  function show(words) {
    const said = add("div", talk);
    said.className = "said";
    add("p", said, words.text);
    if (words.options.length) {
      const form = add("form", said);
      form.className = "options";
      form.method = "post";
      form.action = "/";
      for (const option of words.options) {
        const button = add("button", form, option.label);
        button.name = "tap";
        button.value = option.name;
      }
    }
    return said;
  }

  function showMine(text) {
    const mine = add("p", talk, text);
    mine.className = "mine";
    mine.setAttribute("aria-label", `${you}: ${text}`);
  }

  async function send(fields) {
    const body = new URLSearchParams({ id: crypto.randomUUID ? crypto.randomUUID() : String(Math.random()), ...fields });
    for (let tries = 0; ; tries++) {
      try {
        const answer = await fetch("/", { method: "POST", body, headers: { Accept: "application/json" } });
        if (!answer.ok) throw new Error(String(answer.status));
        return await answer.json();
      } catch (problem) {
        if (tries === 2) throw problem;
        await new Promise((go) => setTimeout(go, 800 * (tries + 1)));
      }
    }
  }

  async function talkTurn(fields, shown) {
    if (busy) return;
    busy = true;
    talk.setAttribute("aria-busy", "true");
    for (const old of talk.querySelectorAll(".options, .lost")) old.remove();
    showMine(shown);
    try {
      const { language, replies } = await send(fields);
      if (language !== document.documentElement.lang) return location.replace("/");
      const first = replies.map(show)[0];
      if (first) first.scrollIntoView({ block: "start" });
    } catch {
      const form = add("form", talk);
      form.className = "options lost";
      add("p", form, lost);
      const again = add("button", form, shown);
      again.name = "tap" in fields ? "tap" : "text";
      again.value = fields.tap || fields.text;
    } finally {
      busy = false;
      talk.removeAttribute("aria-busy");
    }
  }

  function leaveNow() {
    document.documentElement.hidden = true;
    talk.replaceChildren();
    field.value = "";
    fetch("/leave", { method: "POST", redirect: "manual", keepalive: true }).catch(() => {});
    location.replace(leave);
  }

  document.addEventListener("submit", (event) => {
    const pressed = event.submitter;
    event.preventDefault();
    if (pressed && pressed.classList.contains("leave")) return leaveNow();
    if (pressed && pressed.name && pressed.value) {
      return talkTurn({ [pressed.name]: pressed.value }, pressed.textContent.trim());
    }
    const text = field.value.trim();
    if (!text) return field.focus();
    field.value = "";
    return talkTurn({ text }, text);
  });

  let escapes = 0;
  document.addEventListener("keydown", (event) => {
    escapes = event.key === "Escape" ? escapes + 1 : 0;
    if (escapes === 2) leaveNow();
  });
  // A page taken out of the browser's memory would show the old talk again.
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
})();
