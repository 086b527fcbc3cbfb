// A real OpenID provider (oidc-provider, certified by the OpenID Foundation) for the tests. It prints where it listens,
// then reads one line of JSON: redirect, the address that it may send people back to. Who signs in is who the last
// request to /as/NAME?groups=a,b&acr=c said.
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import Provider from "oidc-provider";

const server = createServer((req, res) => handler(req, res));
let handler = (req, res) => { res.statusCode = 503; res.end(); };
let who = { sub: "mia-sub", groups: ["g-shift"], acr: "mfa" };

server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  console.log(issuer);
  createInterface({ input: process.stdin }).once("line", (line) => begin(issuer, JSON.parse(line)));
});
process.stdin.once("end", () => process.exit(0)); // whoever started us has gone

function begin(issuer, given) {
  const provider = new Provider(issuer, {
    clients: [{ client_id: "penstock", client_secret: "hush", redirect_uris: [given.redirect], grant_types: ["authorization_code"], response_types: ["code"] }],
    pkce: { required: () => true },
    conformIdTokenClaims: false,
    claims: { openid: ["sub", "groups"], acr: null, auth_time: null },
    acrValues: ["mfa", "pwd"],
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, groups: who.groups }) }),
    cookies: { keys: ["for the tests"] },
  });
  const answer = provider.callback();
  handler = async (req, res) => {
    const url = new URL(req.url, issuer);
    if (url.pathname.startsWith("/as/")) {
      who = { sub: url.pathname.slice(4), groups: (url.searchParams.get("groups") ?? "").split(",").filter(Boolean), acr: url.searchParams.get("acr") ?? "mfa" };
      res.end();
      return;
    }
    if (!url.pathname.startsWith("/interaction/")) return answer(req, res);
    try {
      const { prompt, params, session } = await provider.interactionDetails(req, res);
      if (prompt.name === "login") return await provider.interactionFinished(req, res, { login: { accountId: who.sub, acr: who.acr } });
      const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
      grant.addOIDCScope("openid");
      await provider.interactionFinished(req, res, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true });
    } catch (e) {
      res.statusCode = 500;
      res.end(String(e));
    }
  };
  console.log("ready");
}
