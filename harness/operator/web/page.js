// Swaps what the server sends, ticks the time left, hands keys and buttons on. Nothing else.
"use strict";
const part = (id) => document.getElementById(id);
const why = part("why"), reason = part("reason"), trouble = part("trouble"), sound = part("sound");
let asking = null, stale = null, wasCase = "";

const tick = () => {
  for (const one of document.querySelectorAll("[data-deadline]")) {
    const left = Math.max(0, Math.round(one.dataset.deadline - Date.now() / 1000));
    one.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    one.classList.toggle("soon", left < 60);
  }
};
setInterval(tick, 500);

const say = async (act, words) => {
  const version = document.querySelector("[data-version]")?.dataset.version || "";
  const body = JSON.stringify({ act, reason: words, version: Number(version) || null });
  try {
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch("say", { method: "POST", headers, body });
    trouble.textContent = answer.ok ? "" : await answer.text();
  } catch {
    trouble.textContent = "The run cannot be reached any more.";
  }
};
const ask = (act) => { asking = act; why.hidden = false; reason.value = ""; reason.focus(); };
const leave = () => { asking = null; why.hidden = true; };
const press = (button) => button.dataset.reason ? ask(button.dataset.act) : say(button.dataset.act, "");

why.addEventListener("submit", (event) => {
  event.preventDefault();
  const act = asking;
  leave();
  say(act, reason.value);
});
part("back").addEventListener("click", leave);
document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.act) press(button);
  if (button?.dataset.copy) navigator.clipboard.writeText(part(button.dataset.copy).textContent);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") leave();
  if (event.target === reason || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "m") sound.click();
  const button = document.querySelector(`button[data-key="${CSS.escape(event.key)}"]`);
  if (button) { event.preventDefault(); press(button); }
});

let audio = null;
const beep = () => {
  if (!audio) return;
  const tone = audio.createOscillator(), volume = audio.createGain();
  tone.frequency.value = 660;
  volume.gain.value = 0.08;
  tone.connect(volume).connect(audio.destination);
  tone.start();
  tone.stop(audio.currentTime + 0.15);
};
sound.addEventListener("click", () => {
  audio = audio ? null : new AudioContext();
  sound.setAttribute("aria-pressed", String(Boolean(audio)));
  sound.firstChild.textContent = audio ? "Sound on " : "Sound off ";
  beep();
});

const source = new EventSource("events");
const link = part("link");
source.onopen = () => { link.textContent = "connected"; link.className = ""; };
source.onerror = () => { link.textContent = "not connected"; link.className = "lost"; };
source.onmessage = (event) => {
  const news = JSON.parse(event.data);
  for (const id of ["now", "cases", "sequence"]) {
    if (news[id] === undefined) continue;
    const open = id === "now" ? [...part(id).querySelectorAll("details[open] summary")].map((one) => one.textContent) : [];
    part(id).innerHTML = news[id];
    for (const one of part(id).querySelectorAll("summary")) {
      if (open.includes(one.textContent)) one.parentElement.open = true;
    }
  }
  tick();
  if (news.now !== undefined) {
    trouble.textContent = "";
    const offered = asking && document.querySelector(`button[data-act="${asking}"]`);
    if (asking && !offered) leave();
    if (news.asks) beep();
  }
  document.title = (news.asks ? "▶ " : "") + (document.querySelector("h1")?.textContent || "");
  if (news.sequence !== undefined) part("sequence").scrollTop = part("sequence").scrollHeight;
  if (news.case !== wasCase) {
    wasCase = news.case;
    const line = document.querySelector("[aria-current]"), list = part("cases");
    if (line) list.scrollTop = line.offsetTop - list.clientHeight / 2;
  }
  if (news.over) { source.close(); link.textContent = "ended"; }
};
