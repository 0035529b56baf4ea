// Node-RED without its editor: one flow, which reads what it needs to know from a file.
module.exports = {
  uiHost: "127.0.0.1",
  uiPort: Number(process.env.PEER_PORT),
  userDir: process.env.PEER_FOLDER,
  flowFile: process.env.PEER_FLOWS,
  httpAdminRoot: false,
  credentialSecret: false,
  telemetry: { enabled: false },
  logging: { console: { level: "warn", metrics: false, audit: false } },
  functionGlobalContext: { known: require(process.env.PEER_KNOWN) },
};
