"""``/enrol``: where the QR code of a one-time code leads an installer's telephone, and what it gets there.

The code stands in the fragment of the address, which no server and no proxy is sent; the page takes it out of there.
"""

from typing import Final

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from api.callers import PUBLIC
from api.html import page

router = APIRouter(include_in_schema=False, dependencies=PUBLIC)

BODY: Final = """
<h1>设备入网 Enrol a device</h1>
<p>用一次性入网码换取该设备的登录凭据。凭据只显示一次，请立即写入设备。</p>
<p lang="en">A one-time code gives the login of its device. It is shown once: put it into the device now.</p>
<p><label>设备编号 Device number<br><input id="device_no" size="40" maxlength="64" autocomplete="off"></label></p>
<p><label>入网码 Code<br><input id="code" size="16" maxlength="64" autocomplete="off"></label></p>
<p><button id="enrol">入网 Enrol</button></p>
<p id="said" role="status"></p>
<table id="login"></table>
"""
# Texts go in as text, never as HTML.
SCRIPT: Final = """
const byId = (id) => document.getElementById(id);
const told = new URLSearchParams(location.hash.slice(1));
byId("device_no").value = told.get("device_no") || "";
byId("code").value = told.get("code") || "";
history.replaceState(null, "", location.pathname);
function show(login) {
  const topics = [...login.topics.publish, ...login.topics.subscribe].join("\\n");
  const rows = { "用户名 username": login.username, "密码 password": login.password,
    "客户端标识 client id": login.client_id, "主题 topics": topics };
  for (const [name, value] of Object.entries(rows)) {
    const row = byId("login").insertRow();
    row.insertCell().textContent = name;
    row.insertCell().appendChild(document.createElement("pre")).textContent = value;
  }
}
byId("enrol").addEventListener("click", async () => {
  byId("enrol").disabled = true;
  byId("said").textContent = "…";
  let done = false;
  try {
    const answer = await fetch("api/v1/enrolments", {
      method: "POST", headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ device_no: byId("device_no").value.trim(), code: byId("code").value }) });
    const body = await answer.json();
    done = answer.status === 201;
    byId("said").textContent = done ? "已入网 Enrolled" : `未入网 Not enrolled. ${body.detail}`;
    if (done) show(body);
  } catch (error) {
    byId("said").textContent = "没有答复，请检查网络后重试 No answer: check the network and try again";
  }
  byId("enrol").disabled = done;
});
"""


@router.get("/enrol")
async def enrol() -> HTMLResponse:
    """The page; the same for everybody."""
    return page("tracefleet enrol", BODY, script=SCRIPT)
