// Whether the server in this container says yes at /readyz or /livez: for HEALTHCHECK, as the image has no curl.
const [path = "readyz"] = process.argv.slice(2);
const answer = await fetch(`http://127.0.0.1:${process.env.LARDER_PORT || 8080}/${path}`).catch(() => undefined);
process.exit(answer?.ok === true ? 0 : 1);
