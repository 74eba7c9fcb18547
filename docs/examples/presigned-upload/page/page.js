// Sends files in parts to URLs that the service signs, one file after the other.

const PARTS_AT_ONCE = 4;
const TRIES = 4;
const FIRST_PAUSE = 500; // milliseconds; doubled with each try

const choose = document.querySelector(".choose");
const input = document.querySelector("input");
const list = document.querySelector("#files");
const template = document.querySelector("template");
let lastFile = Promise.resolve();

/** An answer or a lack of one. `again`: whether another try may succeed. */
class Refused extends Error {
  constructor(message, again) {
    super(message);
    this.again = again;
  }
}

async function ask(path, body, signal) {
  let answer;
  try {
    answer = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal,
    });
  } catch (error) {
    throw error.name === "AbortError" ? error : new Refused("The service does not answer.", true);
  }
  if (answer.status === 204) return undefined;
  const said = await answer.json().catch(() => ({}));
  if (answer.ok) return said;
  const detail = typeof said.detail === "string" ? said.detail : `The service says ${answer.status}.`;
  throw new Refused(detail, answer.status >= 500);
}

/** Sends one part. XMLHttpRequest, because fetch tells no progress of what it sends. */
function put(url, part, signal, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    request.open("PUT", url);
    request.upload.onprogress = (event) => onProgress(event.loaded);
    request.onload = () => {
      if (request.status === 200) return resolve();
      // 403 is also what an expired URL gets, and the next try has a new one.
      const again = request.status >= 500 || [403, 408, 429].includes(request.status);
      reject(new Refused(`The storage says ${request.status}.`, again));
    };
    request.onerror = () => reject(new Refused("The storage does not answer.", true));
    request.onabort = () => reject(new DOMException("", "AbortError"));
    request.onloadend = () => signal.removeEventListener("abort", abort);
    signal.addEventListener("abort", abort);
    if (signal.aborted) return reject(new DOMException("", "AbortError"));
    request.send(part);
  });
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("", "AbortError"));
    });
  });
}

/** Does something again while it makes sense. */
async function persistently(action, signal) {
  for (let left = TRIES - 1, wait = FIRST_PAUSE; ; left -= 1, wait *= 2) {
    try {
      return await action();
    } catch (error) {
      if (!error.again || left === 0) throw error;
      await pause(wait * (0.5 + Math.random()), signal);
    }
  }
}

/** Sends all parts of a file, a few at once; the first that fails for good stops the others. */
async function send(file, begun, stop, onProgress) {
  const sent = new Array(begun.parts).fill(0);
  let next = 1;
  const sendParts = async () => {
    while (next <= begun.parts) {
      const part = next++;
      const blob = file.slice((part - 1) * begun.part_bytes, part * begun.part_bytes);
      const note = (bytes) => {
        sent[part - 1] = bytes;
        onProgress(sent.reduce((all, one) => all + one, 0));
      };
      await persistently(async () => {
        note(0);
        const { url } = await ask("uploads/part", { ticket: begun.ticket, part }, stop.signal);
        await put(url, blob, stop.signal, note);
      }, stop.signal);
      note(blob.size);
    }
  };
  try {
    await Promise.all(Array.from({ length: PARTS_AT_ONCE }, sendParts));
  } catch (error) {
    stop.abort();
    throw error;
  }
}

async function upload(file, row, stop) {
  let begun;
  try {
    const { name, type, size } = file;
    stop.signal.throwIfAborted();
    begun = await ask("uploads", { name, type, size }, stop.signal);
    await send(file, begun, stop, (bytes) => row.progress(bytes));
    row.checking();
    const { ticket } = await persistently(
      () => ask("uploads/complete", { ticket: begun.ticket }, stop.signal), stop.signal);
    row.stored(async () => location.assign((await ask("downloads", { ticket })).url));
  } catch (error) {
    if (begun) await ask("uploads/cancel", { ticket: begun.ticket }).catch(() => {});
    row.failed(error.name === "AbortError" ? "Cancelled" : error.message);
  }
}

/** A line of the list. */
function addRow(file, stop) {
  const row = template.content.cloneNode(true).firstElementChild;
  const [progress, status] = [row.querySelector("progress"), row.querySelector("[role=status]")];
  const [cancel, download] = row.querySelectorAll("button");
  row.querySelector("strong").textContent = file.name;
  row.querySelector("small").textContent = readable(file.size);
  progress.setAttribute("aria-label", `Progress of ${file.name}`);
  progress.max = file.size;
  cancel.setAttribute("aria-label", `Cancel ${file.name}`);
  download.setAttribute("aria-label", `Download ${file.name}`);
  cancel.onclick = () => stop.abort();
  list.append(row);
  return {
    progress(bytes) {
      progress.value = bytes;
      status.textContent = `${Math.floor((100 * bytes) / file.size)} %`;
    },
    checking() {
      cancel.hidden = true;
      status.textContent = "Checking";
    },
    stored(onDownload) {
      status.textContent = "Stored";
      download.hidden = false;
      download.onclick = () => onDownload().catch((error) => (status.textContent = error.message));
    },
    failed(message) {
      row.className = "refused";
      progress.hidden = cancel.hidden = true;
      status.textContent = message;
    },
  };
}

function readable(bytes) {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  const power = bytes ? Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1) : 0;
  return `${(bytes / 1024 ** power).toFixed(power ? 1 : 0)} ${units[power]}`;
}

function take(files) {
  for (const file of files) {
    const stop = new AbortController();
    const row = addRow(file, stop);
    lastFile = lastFile.then(() => upload(file, row, stop));
  }
}

input.onchange = () => {
  take([...input.files]);
  input.value = "";
};
choose.ondragover = (event) => {
  event.preventDefault();
  choose.classList.add("over");
};
choose.ondragleave = () => choose.classList.remove("over");
choose.ondrop = (event) => {
  event.preventDefault();
  choose.classList.remove("over");
  take([...event.dataTransfer.files]);
};

const limits = await (await fetch("limits")).json();
input.accept = limits.types.join(",");
document.querySelector("#limits").textContent =
  `${limits.types.map((type) => type.split("/")[1].toUpperCase()).join(", ")}, up to ` +
  readable(limits.max_bytes);
