// A server and its clients, worker threads, and programs that are started.
const { execFile, execFileSync, spawn } = require("child_process");
const http = require("http");
const net = require("net");
const { once } = require("events");
const { promisify } = require("util");
const { Worker } = require("worker_threads");

const get = (url) =>
  new Promise((resolve, reject) => {
    http.get(url, { agent: false }, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("end", () => resolve(Buffer.concat(parts).toString()));
    }).on("error", reject);
  });

const inThread = async (url) => {
  const code = `
    const { parentPort } = require("worker_threads");
    require("http").get(${JSON.stringify(url)}, (answer) => {
      answer.resume().on("end", () => parentPort.postMessage(answer.statusCode));
    });`;
  const [status] = await once(new Worker(code, { eval: true }), "message");
  return status;
};

const attempt = (name, promise) =>
  promise.then(
    () => console.log(name + ": ok"),
    (error) => console.log(name + ": " + error.code),
  );

const main = async () => {
  const server = http.createServer((request, answer) => answer.end("you asked for " + request.url));
  server.listen(8000, "0.0.0.0");
  await once(server, "listening");
  const url = "http://127.0.0.1:8000/";

  const answers = await Promise.all([...Array(50).keys()].map((number) => get(url + number)));
  console.log(answers.length, answers[49]);
  console.log("fetch:", await (await fetch(url + "fetched")).text());
  console.log("threads:", await Promise.all([inThread(url), inThread(url)]));
  console.log("execFile:", (await promisify(execFile)("uname", ["-s"])).stdout.trim());
  console.log("execFileSync:", execFileSync("sh", ["-c", "echo from a shell"]).toString().trim());
  const cat = spawn("cat");
  cat.stdin.end("through cat");
  console.log("spawn:", (await once(cat.stdout, "data")).toString());
  const started = await Promise.all([...Array(20)].map(() => promisify(execFile)("true")));
  console.log("at once:", started.length);
  await attempt("missing", promisify(execFile)("/no/such/program"));
  await attempt("nobody listens", once(net.connect(8002, "127.0.0.1"), "connect"));

  console.log("beyond the policy:");
  await attempt("connect", once(net.connect(8000, "127.0.0.2"), "connect"));
  await attempt("id", promisify(execFile)("/usr/bin/id"));
  process.exit(0);
};

main();
