// The demo page: start a session, play it while it grows, show how far it is.
// States: idle -> loading -> playing -> done, or error from anywhere.

// hls.js lies beside the page after set-up; else the same file comes from a CDN
const HLS_SOURCES = [
  { src: "/page/hls.min.js" },
  {
    src: "https://cdn.jsdelivr.net/npm/hls.js@1.7.4/dist/hls.min.js",
    integrity: "sha384-p9vgU/7IYJWd3I4STrtqxqR/2cAQlhIX7D/HrTnIMEjjcUox165b7se7sxmm3zDg",
    crossOrigin: "anonymous",
  },
];
const MAX_TRIES = 15;
const FIRST_PAUSE_MS = 250;
const MOST_PAUSE_MS = 8000;
const IN_LINE_PAUSE_MS = 500;

const element = (id) => document.getElementById(id);
const audio = element("audio");
const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;

let key = sessionStorage.getItem("rhapsode-key") || ""; // for this tab; asked for where one is needed
let run = null; // what belongs to the present session; a newer start replaces it

function setState(state, message) {
  document.body.dataset.state = state;
  element("status").textContent = message;
  element("start").disabled = state === "loading";
}

function fail(message) {
  if (run) run.close();
  setState("error", message);
}

class Run {
  constructor() {
    this.started = performance.now();
    this.tries = 0;
    this.underruns = 0;
    this.finished = false;
    this.inLine = false;
    this.closing = [];
  }

  get current() { return run === this; }

  close() {
    this.closing.forEach((end) => end());
    this.closing = [];
    if (this.current) run = null;
  }

  since() { return performance.now() - this.started; }
}

async function start(event) {
  event.preventDefault();
  if (run) run.close();
  const mine = (run = new Run());
  ["accepted", "first", "playing", "made", "ahead"].forEach((id) => (element(id).textContent = "–"));
  element("underruns").textContent = "0";
  element("progress").value = 0;
  element("link").textContent = "";
  setState("loading", "Sending the text …");
  try {
    const answer = await post("/audiostream/start/", {
      prompt: element("text").value,
      lang: element("lang").value || "en",
      mode: new FormData(element("form")).get("mode"),
    });
    const body = await answer.json();
    if (!mine.current) return;
    if (answer.status === 401) return askForKey(body.error);
    if (!answer.ok) return fail(body.error || `The server answered ${answer.status}.`);
    element("accepted").textContent = seconds(mine.since());
    setState("loading", "Accepted; waiting for the first words …");
    showLink(body.playlist);
    follow(mine, body.session_id);
    play(mine, body.playlist);
  } catch (error) {
    if (mine.current) fail(`The server cannot be reached: ${error.message}`);
  }
}

function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  if (key) headers.Authorization = `Bearer ${key}`;
  return fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
}

function askForKey(message) {
  element("key-row").hidden = false;
  element("key").focus();
  fail(message);
}

function keep(given) {
  key = given.trim();
  sessionStorage.setItem("rhapsode-key", key);
}

function showLink(playlist) {
  const link = document.createElement("a");
  link.href = playlist;
  link.textContent = new URL(playlist, location).href;
  element("link").replaceChildren("Playlist: ", link);
}

// -- progress, by server-sent events

// an event stream takes no header: with a key, a token that is good for this session alone
async function follow(mine, session) {
  let query = "";
  if (key) {
    const answer = await post("/v1/tokens", { session, seconds: 3600 });
    if (answer.ok) query = `?token=${encodeURIComponent((await answer.json()).token)}`;
    if (!mine.current) return;
  }
  const events = new EventSource(`/v1/sessions/${session}/events${query}`);
  mine.closing.push(() => events.close());
  events.addEventListener("progress", (message) => {
    const progress = JSON.parse(message.data);
    if (progress.percent !== null) element("progress").value = progress.percent;
    if (progress.first_audio_s !== null) element("first").textContent = `${progress.first_audio_s.toFixed(2)} s`;
    element("made").textContent = `${progress.published_s.toFixed(1)} s`;
    if (progress.state === "FAILURE") return fail(`It failed: ${progress.error}`);
    mine.inLine = Boolean(progress.in_line);
    if (document.body.dataset.state === "loading" && mine.inLine) {
      const { position, starts_in_s } = progress.in_line;
      const when = starts_in_s === null ? "" : `; it begins in about ${Math.ceil(starts_in_s)} s`;
      setState("loading", `Number ${position} in line${when} …`);
    }
    if (document.body.dataset.state === "loading" && progress.chunk_count) {
      setState("loading", `${progress.chunk_count} chunks are spoken …`);
    }
    if (progress.state !== "SUCCESS") return;
    mine.finished = true;
    events.close();
    if (document.body.dataset.state === "playing") setState("playing", "Playing; all of it is made.");
  });
}

// -- playing: hls.js, or the browser's own HLS

function loadScript(attributes) {
  return new Promise((resolve) => {
    const script = Object.assign(document.createElement("script"), attributes);
    script.onload = () => resolve(true);
    script.onerror = () => resolve(false);
    document.head.append(script);
  });
}

const hlsLoaded = (async () => {
  for (const source of HLS_SOURCES) if (await loadScript(source)) return true;
  return false;
})();

async function play(mine, playlist) {
  audio.pause();
  mine.closing.push(watch(mine));
  await hlsLoaded;
  if (!mine.current) return;
  if (window.Hls && Hls.isSupported()) return playByHls(mine, playlist);
  if (audio.canPlayType("application/vnd.apple.mpegurl")) return playNatively(mine, playlist);
  fail("This browser plays no HLS, and hls.js could not be loaded.");
}

function playByHls(mine, playlist) {
  const hls = new Hls({
    lowLatencyMode: true,
    startPosition: 0,
    liveSyncDurationCount: 3,
    maxBufferLength: 30,
    startFragPrefetch: true,
    manifestLoadPolicy: patient(),
    playlistLoadPolicy: patient(),
  });
  window.player = hls;
  mine.closing.push(() => hls.destroy());
  hls.on(Hls.Events.ERROR, (_, data) => {
    if (!data.fatal || !mine.current) return;
    if (data.type === Hls.ErrorTypes.MEDIA_ERROR && mine.tries++ < 2) return hls.recoverMediaError();
    retry(mine, () => hls.loadSource(playlist), `no playlist (${data.details})`);
  });
  hls.on(Hls.Events.MANIFEST_PARSED, () => { mine.tries = 0; resume(mine); });
  hls.loadSource(playlist);
  hls.attachMedia(audio);
}

// one try a request: trying again is ours, so that its limit and its message are one
function patient() {
  return { default: { maxTimeToFirstByteMs: 15000, maxLoadTimeMs: 20000, timeoutRetry: null, errorRetry: null } };
}

function playNatively(mine, playlist) {
  const load = () => { audio.src = playlist; audio.load(); resume(mine); };
  const failed = () => { if (mine.current) retry(mine, load, "no playlist"); };
  audio.addEventListener("error", failed);
  mine.closing.push(() => { audio.removeEventListener("error", failed); audio.removeAttribute("src"); });
  load();
}

function resume(mine) {
  audio.play().catch((error) => {
    if (mine.current && error.name === "NotAllowedError") setState("loading", "Press play: the browser wants a click.");
  });
}

function retry(mine, again, reason) {
  if (mine.inLine) return later(mine, again, IN_LINE_PAUSE_MS); // no playlist before its turn
  if (mine.tries >= MAX_TRIES) return fail(`Gave up after ${MAX_TRIES} tries: ${reason}.`);
  const pause = Math.min(MOST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** mine.tries);
  mine.tries += 1;
  setState("loading", `Try ${mine.tries} of ${MAX_TRIES}: ${reason}; again in ${seconds(pause)}.`);
  later(mine, again, pause);
}

function later(mine, again, pause) {
  const timer = setTimeout(() => mine.current && again(), pause);
  mine.closing.push(() => clearTimeout(timer));
}

function watch(mine) {
  const heard = () => {
    if (element("playing").textContent === "–") element("playing").textContent = seconds(mine.since());
    setState("playing", mine.finished ? "Playing; all of it is made." : "Playing while it is made.");
  };
  const waiting = () => {
    if (document.body.dataset.state !== "playing" || audio.ended) return;
    mine.underruns += 1;
    element("underruns").textContent = mine.underruns;
  };
  const ended = () => setState("done", "The end.");
  const tick = () => {
    const buffered = audio.buffered.length ? audio.buffered.end(audio.buffered.length - 1) : 0;
    if (audio.currentTime) element("ahead").textContent = `${Math.max(0, buffered - audio.currentTime).toFixed(1)} s`;
  };
  const listeners = { playing: heard, waiting, ended, timeupdate: tick, progress: tick };
  Object.entries(listeners).forEach(([name, listener]) => audio.addEventListener(name, listener));
  return () => Object.entries(listeners).forEach(([name, listener]) => audio.removeEventListener(name, listener));
}

element("form").addEventListener("submit", start);
element("key").addEventListener("input", (event) => keep(event.target.value));
element("text").value =
  "The keeper lit the lamp, and the light went out over the water. It turned slowly, like somebody " +
  "thinking, and every ship that saw it knew where the land was.";
