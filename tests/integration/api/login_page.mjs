// Drives the login page in a real browser, by its debugging protocol: node login_page.mjs DEBUGGER_URL PAGE STEPS
// STEPS is JSON: a list of [expression to evaluate, expression that comes true afterwards]. Prints what each gave.
const [debugger_url, page, steps] = process.argv.slice(2);
const targets = await (await fetch(`${debugger_url}/json/list`)).json();
const socket = new WebSocket(targets.find((one) => one.type === "page").webSocketDebuggerUrl);
await new Promise((done) => socket.addEventListener("open", done, { once: true }));
let number = 0;
const waiting = new Map();
const complaints = [];
socket.addEventListener("message", ({ data }) => {
  const told = JSON.parse(data);
  if (told.id) waiting.get(told.id)(told);
  else if (told.method === "Runtime.exceptionThrown") complaints.push(told.params.exceptionDetails.text);
  else if (told.method === "Log.entryAdded" && told.params.entry.source === "security") complaints.push(told.params.entry.text);
});
function call(method, params = {}) {
  number += 1;
  socket.send(JSON.stringify({ id: number, method, params }));
  return new Promise((done) => waiting.set(number, done));
}
async function evaluate(expression) {
  const told = await call("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
  return told.result?.result?.value;
}
async function until(expression) {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; ) {
    if (await evaluate(expression)) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`never came true: ${expression}; the page: ${await evaluate("document.body.innerText")}`);
}
for (const domain of ["Page", "Runtime", "Log"]) await call(`${domain}.enable`);
await call("Page.navigate", { url: page });
await until("document.readyState === 'complete' && location.href.startsWith('http')");
for (const [act, after] of JSON.parse(steps)) {
  await evaluate(act);
  await until(after);
}
console.log(JSON.stringify({ text: await evaluate("document.body.innerText"), href: await evaluate("location.href"), complaints }));
socket.close();
