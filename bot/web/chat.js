// Sends and shows messages without loading the page again. Without this script the forms do the same.
// Nothing is stored in the browser: the talk is in this page alone, and "leave quickly" empties it.
"use strict";
(() => {
  const COMMON = ["help/emergency", "menu/main", "back"]; // kept in sight under the talk; chat.html does the same
  const PATIENCE = 20000; // milliseconds until an answer counts as lost
  const root = document.documentElement;
  const part = (selector) => document.querySelector(selector);
  const talk = part("#talk");
  const bar = part(".common");
  const field = part("#text");
  const labels = document.body.dataset;
  let turn; // the one under way

  function add(where, tag, text, properties) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(text);
    where.append(made);
    return made;
  }

  function addButtons(form, options, card) {
    for (const { name, label } of options) {
      add(form, "button", label, { name: "tap", value: name, className: name.startsWith(`${card}.`) ? "on" : "" });
    }
  }

  // The text, its telephone numbers to be called by a tap; chat.py does the same for the page without a script.
  function addText(where, text, phones) {
    const longestFirst = [...phones].sort((one, other) => other.length - one.length);
    const escaped = longestFirst.map((phone) => phone.replace(/[+]/g, "\\+"));
    for (const piece of phones.length ? text.split(new RegExp(`(${escaped.join("|")})`)) : [text]) {
      if (phones.includes(piece)) add(where, "a", piece, { href: `tel:${piece.replace(/[^0-9+]/g, "")}` });
      else where.append(piece);
    }
  }

  function show({ name: place, text, options, phones }, language) {
    const said = add(talk, "div", "", { className: "said", lang: language, tabIndex: -1 });
    addText(add(said, "p", ""), text, phones);
    const own = options.filter((option) => !COMMON.includes(option.name));
    const common = COMMON.flatMap((name) => options.filter((option) => option.name === name));
    if (own.length) addButtons(add(said, "form", "", { className: "options", method: "post" }), own, place.split(".")[0]);
    if (common.length) {
      bar.textContent = "";
      addButtons(bar, common);
    }
    return said;
  }

  function say(fields, shown) {
    const body = new URLSearchParams(fields);
    const key = String(body);
    if (turn && turn.key === key) return false; // a double press
    const mine = add(talk, "p", "", { className: "mine" });
    add(mine, "span", `${labels.you}: `, { className: "unseen" });
    mine.append(shown);
    mine.scrollIntoView({ block: "nearest" });
    body.append("id", Math.random()); // the same when sent again: the server answers it once
    hear(key, body);
    return true;
  }

  async function hear(key, body) {
    if (turn) turn.stop.abort(); // another choice while waiting, such as help, does not wait
    const now = (turn = { key, stop: new AbortController() });
    const late = setTimeout(() => now.stop.abort(), PATIENCE);
    talk.setAttribute("aria-busy", "true");
    try {
      const { language, replies } = await post(body, now.stop.signal);
      if (turn === now) showAll(replies, language);
    } catch {
      if (turn === now) showLost(key, body);
    } finally {
      clearTimeout(late);
      if (turn === now) {
        turn = undefined;
        talk.removeAttribute("aria-busy");
      }
    }
  }

  async function post(body, signal) {
    for (let tries = 1; ; tries++) {
      try {
        const answer = await fetch("/", { method: "POST", body, signal, headers: { Accept: "application/json" } });
        return await answer.json(); // a refusal is no JSON
      } catch (problem) {
        if (tries === 3 || signal.aborted) throw problem;
        await new Promise((go) => setTimeout(go, 800 * tries));
      }
    }
  }

  function showAll(replies, language) {
    const typing = document.activeElement === field && (field.value || matchMedia("(pointer: fine)").matches);
    for (const old of talk.querySelectorAll(".options")) old.remove();
    const [first] = replies.map((words) => show(words, language));
    if (first) {
      first.scrollIntoView();
      if (!typing) first.focus({ preventScroll: true }); // the pressed button is gone; a phone's keyboard closes
    }
    if (language !== root.lang) redress(language).catch(() => {}); // the answer stands, whatever comes of this
  }

  function showLost(key, body) {
    const note = add(talk, "p", labels.lost, { className: "lost" });
    add(note, "button", labels.again).addEventListener("click", () => {
      note.remove();
      hear(key, body);
    });
    note.scrollIntoView({ block: "nearest" });
  }

  // The page's own words in the language that the talk has changed to.
  async function redress(language) {
    const page = new DOMParser().parseFromString(await (await fetch("/")).text(), "text/html");
    if (page.documentElement.lang !== language) return;
    root.lang = language;
    document.title = page.title;
    Object.assign(labels, page.body.dataset);
    talk.setAttribute("aria-label", page.querySelector("#talk").getAttribute("aria-label"));
    field.placeholder = page.querySelector("#text").placeholder;
    for (const name of [".skip", ".top", ".write label", ".write button"]) part(name).replaceWith(page.querySelector(name));
  }

  function leaveNow() {
    root.hidden = true;
    talk.textContent = field.value = "";
    if (turn) turn.stop.abort(); // its answer would bring the cookie back
    fetch("/leave", { method: "POST", redirect: "manual", keepalive: true }).catch(() => {});
    location.replace(labels.leave);
  }

  document.addEventListener("submit", (event) => {
    const pressed = event.submitter;
    if (!pressed) return; // an old browser: the plain form does it
    event.preventDefault();
    if (pressed.className === "leave") leaveNow();
    else if (pressed.name) say({ tap: pressed.value }, pressed.textContent.trim());
    else {
      const text = field.value.trim();
      if (!text) field.focus();
      else if (say({ text }, text)) field.value = "";
    }
  });
  // The second press of a double press would meet the buttons of the answer.
  document.addEventListener("click", (event) => {
    if (event.detail > 1 && event.target.name === "tap") event.preventDefault();
  });
  let escapes = 0;
  document.addEventListener("keydown", (event) => {
    escapes = event.key === "Escape" ? escapes + 1 : 0;
    if (escapes === 2) leaveNow();
  });
  // A page taken out of the browser's memory would show the old talk again.
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
})();
