"""``/login``: where people log in, choose a password of their own, and log out again."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from api.callers import PUBLIC
from api.html import page
from fleet.identity.passwords import LENGTH_MIN

router = APIRouter(include_in_schema=False, dependencies=PUBLIC)

BODY: Final = f"""
<h1>登录 Log in</h1>
<div id="login">
<p><label>用户名 User name<br><input id="name" size="40" maxlength="128" autocomplete="username" autofocus></label></p>
<p><label>密码 Password<br>
<input id="password" type="password" size="40" autocomplete="current-password"></label></p>
<p><button id="enter">登录 Log in</button></p>
</div>
<div id="change" hidden>
<p>请设置自己的密码，至少 {LENGTH_MIN} 个字符；不含用户名。修改后，其他登录全部退出。</p>
<p lang="en">Choose a password of your own, at least {LENGTH_MIN} characters, without your name in it.
Every other log-in of yours ends.</p>
<p id="before"><label>当前密码 Current password<br>
<input id="current" type="password" size="40" autocomplete="current-password"></label></p>
<p><label>新密码 New password<br><input id="new" type="password" size="40" autocomplete="new-password"></label></p>
<p><label>再输一次 Once more<br><input id="again" type="password" size="40" autocomplete="new-password"></label></p>
<p><button id="set">保存 Save</button></p>
</div>
<div id="inside" hidden>
<p><span id="who"></span></p>
<p><a id="onward" href="./">首页 Home</a></p>
<p><button id="rename">修改密码 Change the password</button> <button id="leave">退出登录 Log out</button></p>
</div>
<p id="said" role="status"></p>
"""
# Texts go in as text, never as HTML. It leads back to an address of this server alone.
SCRIPT: Final = """
const byId = (id) => document.getElementById(id);
const WORDS = { "login-refused": "用户名或密码不正确，或账号不可用。", "login-throttled": "尝试次数过多，请稍候再试。",
  "weak-password": "新密码不符合要求。", "unauthenticated": "登录已失效，请重新登录。" };
let known = "";
function show(part) {
  for (const id of ["login", "change", "inside"]) byId(id).hidden = id !== part;
}
function onward() {
  const asked = new URLSearchParams(location.search).get("next");
  if (!asked) return null;
  const target = new URL(asked, location.href);
  return target.origin === location.origin && /^https?:$/.test(target.protocol) ? target.href : null;
}
async function ask(method, address, body) {
  byId("said").textContent = "…";
  const given = { method, headers: {} };
  if (body) { given.headers["Content-Type"] = "application/json"; given.body = JSON.stringify(body); }
  try {
    const answer = await fetch(address, given);
    const told = answer.status === 204 ? {} : await answer.json();
    if (answer.ok) { byId("said").textContent = ""; return told; }
    const kind = String(told.type || "").split("#").pop();
    const wait = answer.headers.get("Retry-After");
    byId("said").textContent = `${WORDS[kind] || "未成功。"} ${told.detail || ""}${wait ? ` (${wait} s)` : ""}`;
  } catch (error) {
    byId("said").textContent = "没有答复，请检查网络后重试 No answer: check the network and try again";
  }
  return null;
}
function change() {
  byId("before").hidden = known !== "";
  show("change");
}
function enter(who, password) {
  known = password;
  byId("password").value = "";
  if (who.must_change_password) { change(); return; }
  const next = onward();
  if (next) byId("onward").href = next;
  if (next && password) { location.replace(next); return; }
  byId("who").textContent = `${who.name}: ${who.roles.join(", ")}`;
  show("inside");
}
async function login() {
  const password = byId("password").value;
  const who = await ask("POST", "api/v1/sessions", { name: byId("name").value.trim(), password });
  if (who) enter(who, password);
}
byId("enter").addEventListener("click", login);
byId("password").addEventListener("keydown", (event) => { if (event.key === "Enter") login(); });
byId("set").addEventListener("click", async () => {
  const password = byId("new").value;
  if (password !== byId("again").value) {
    byId("said").textContent = "两次输入不一致 The two are not the same"; return;
  }
  const current = known || byId("current").value;
  const who = await ask("PUT", "api/v1/password", { current, new: password });
  if (!who) return;
  for (const id of ["current", "new", "again"]) byId(id).value = "";
  enter(who, password);
});
byId("rename").addEventListener("click", () => { known = ""; change(); });
byId("leave").addEventListener("click", async () => {
  known = "";
  if (await ask("DELETE", "api/v1/sessions/current")) show("login");
});
(async () => {
  const answer = await fetch("api/v1/sessions/current");
  if (answer.ok) { const who = await answer.json(); if (who.person) enter(who, ""); }
})();
"""


@router.get("/login")
async def login() -> HTMLResponse:
    """The page; the same for everybody."""
    return page("tracefleet login", BODY, script=SCRIPT)
