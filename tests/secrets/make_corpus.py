#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a labelled corpus of made-up credentials and of ordinary values: make_corpus.py DIRECTORY

secrets.jsonl and ordinary.jsonl, one JSON object a line: {"kind", "form", "name", "value", "rules"}. The credentials have the
published forms of their providers and belong to nobody; they are made when the tests are built and never checked in, so that
no scanner of a code host trips over them. The same seed gives the same corpus everywhere.

What is here was written from the providers' documents and from what is met in profiles, not from the rules: when a rule
disagrees with an ordinary value, the value stays.
"""
import base64
import gzip
import json
import pathlib
import random
import string
import sys
import uuid

rng = random.Random(20260714)

LOWER, UPPER, DIGITS = string.ascii_lowercase, string.ascii_uppercase, string.digits
ALNUM = UPPER + LOWER + DIGITS
HEX = DIGITS + "abcdef"
WORD = ALNUM + "_"
URLSAFE = ALNUM + "-_"
B64 = ALNUM + "+/"
BASE32 = UPPER + "234567"


def take(alphabet, count):
    return "".join(rng.choice(alphabet) for _ in range(count))


def pick(*choices):
    return rng.choice(choices)


def random_bytes(count):
    return bytes(rng.getrandbits(8) for _ in range(count))


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def b64url(data):
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else data.encode()).decode().rstrip("=")


def compact(value):
    return json.dumps(value, separators=(",", ":"))


def uid():
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def hexes(count):
    return take(HEX, count)


def wrap(text, width=64):
    return "\n".join(text[i:i + width] for i in range(0, len(text), width))


def pem(label, size, headers=""):
    return f"-----BEGIN {label}-----\n{headers}{wrap(b64(random_bytes(size)))}\n-----END {label}-----"


def private_key():
    kind = rng.randrange(7)
    if kind == 0:
        return pem("RSA PRIVATE KEY", 600)
    if kind == 1:
        return pem("PRIVATE KEY", pick(48, 138, 1200)) + "\n"
    if kind == 2:
        return pem("EC PRIVATE KEY", 121)
    if kind == 3:
        return pem("OPENSSH PRIVATE KEY", 300) + "\n"
    if kind == 4:
        return pem("ENCRYPTED PRIVATE KEY", 700)
    if kind == 5:
        return pem("RSA PRIVATE KEY", 600, f"Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,{hexes(32).upper()}\n\n")
    return pem("PGP PRIVATE KEY BLOCK", 800, "Version: GnuPG v2\n\n")


def service_account():
    project = pick("acme-prod", "web-staging", "ml-4711")
    return {
        "type": "service_account", "project_id": project, "private_key_id": hexes(40), "private_key": pem("PRIVATE KEY", 1200) + "\n",
        "client_email": f"robot@{project}.iam.gserviceaccount.com", "client_id": take(DIGITS, 21)}


def jwt():
    header = compact({"alg": pick("HS256", "RS256", "ES256"), "typ": "JWT"} if rng.random() < 0.7 else {"typ": "JWT", "alg": "RS256", "kid": hexes(8)})
    payload = compact({"sub": uid(), "iat": rng.randrange(1_600_000_000, 1_800_000_000), "iss": "https://id.acme.dev"})
    return f"{b64url(header)}.{b64url(payload)}.{b64url(random_bytes(pick(32, 64, 256)))}"


def jwe():
    header = compact({"alg": "dir", "enc": "A256GCM"})
    return f"{b64url(header)}..{b64url(random_bytes(12))}.{b64url(random_bytes(80))}.{b64url(random_bytes(16))}"


def github():
    kind = pick("ghp", "gho", "ghu", "ghr", "ghs", "app")
    if kind == "app":
        return f"ghs_{rng.randrange(10**5, 10**7)}_{jwt()}"
    return f"{kind}_{take(ALNUM, 36)}"


def gitlab():
    if rng.random() < 0.3:  # routable
        return f"glpat-{take(URLSAFE, 27)}.{take(DIGITS + LOWER, 2)}.{take(DIGITS + LOWER, 9)}"
    kind = pick("glpat", "gldt", "glrt", "glptt", "glft", "glimt", "glagent", "gloas", "glsoat", "glcbt")
    if kind == "glcbt":
        return f"glcbt-{hexes(2)}_{take(URLSAFE, 20)}"
    return f"{kind}-{take(URLSAFE, {'glptt': 40, 'glagent': 50, 'glimt': 25}.get(kind, 20))}"


def bitcoin32(count):
    return take("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", count)


def openai():
    kind = pick("proj", "svcacct", "admin", "legacy")
    if kind == "legacy":
        return f"sk-{take(ALNUM, 20)}T3BlbkFJ{take(ALNUM, 20)}"
    half = pick(58, 74)
    return f"sk-{kind}-{take(URLSAFE, half)}T3BlbkFJ{take(URLSAFE, half)}"


def azure_key(size, signature):
    raw = take(B64, size)
    return raw + signature + take(B64, 5) + take("AQgw", 1)


def discord():
    snowflake = str(rng.randrange(10**16, 10**18))
    if rng.random() < 0.5:
        snowflake = str(rng.randrange(10**18, 13 * 10**17))
    return f"{b64(snowflake).rstrip('=')}.{take(URLSAFE, 6)}.{take(URLSAFE, pick(27, 38))}"


def slack():
    a, b = take(DIGITS, pick(11, 12, 13)), take(DIGITS, pick(11, 12, 13))
    return pick(f"xoxb-{a}-{b}-{take(ALNUM, 24)}", f"xoxp-{a}-{b}-{take(DIGITS, 12)}-{hexes(32)}",
                f"xapp-1-A{take(UPPER + DIGITS, 10)}-{a}-{hexes(64)}", f"xoxe.xoxp-1-{take(ALNUM, 163)}", f"xoxe-1-{take(ALNUM, 146)}")


def azure_connection():
    key88, key44 = b64(random_bytes(64)), b64(random_bytes(32))
    name = pick("acmeprod", "stagingdata", "logs01")
    return pick(
        f"DefaultEndpointsProtocol=https;AccountName={name};AccountKey={key88};EndpointSuffix=core.windows.net",
        f"Endpoint=sb://{name}.servicebus.windows.net/;SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey={key44}",
        f"Endpoint=https://{name}.azconfig.io;Id={take(ALNUM, 4)}-l1-s0:{take(ALNUM, 20)};Secret={key44}",
        f"HostName={name}.azure-devices.net;SharedAccessKeyName=iothubowner;SharedAccessKey={key44}",
        f"AccountEndpoint=https://{name}.documents.azure.com:443/;AccountKey={key88};")


def sas():
    signature = b64(random_bytes(32)).replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    return f"sv=2022-11-02&ss=b&srt=sco&sp=rl&se=2027-01-01T00:00:00Z&st=2026-01-01T00:00:00Z&spr=https&sig={signature}"


def password():
    """As people and generators make them; no dictionary word alone, which nobody could tell."""
    kind = rng.randrange(4)
    if kind == 0:
        return take(ALNUM, rng.randrange(12, 33))
    if kind == 1:
        return pick("Summer", "Winter", "Dragon", "Monkey", "Berlin") + take(DIGITS, 4) + take("!#%+", 1) + take(ALNUM, 2)
    if kind == 2:
        return take(ALNUM + "!#%^*_+.-", rng.randrange(12, 25))
    return take(LOWER + DIGITS, rng.randrange(14, 25))


HOSTS = ["db.internal", "10.2.0.7", "postgres", "queue.acme.dev", "cache-01.eu.acme.dev"]


def url_password():
    scheme, port = pick(("postgres", 5432), ("postgresql", 5432), ("mysql", 3306), ("redis", 6379), ("mongodb+srv", 27017), ("amqp", 5672),
                        ("https", 443), ("http", 3128), ("ftp", 21))
    user = pick("app", "admin", "svc-web", "deploy", "" if scheme == "redis" else "root")
    secret = take(ALNUM, rng.randrange(10, 30)) if rng.random() < 0.8 else take(ALNUM, 8) + "%40" + take(ALNUM, 4)
    return f"{scheme}://{user}:{secret}@{pick(*HOSTS)}:{port}/{pick('app', 'main', '')}"


# format -> (rule ids that are right, name that fits, maker). Formats known by their name alone have no neutral form.
FORMATS = {
    "private key": ("private-key", "DEPLOY_KEY", private_key),
    "private key in base64": ("private-key-base64", "KEY_B64", lambda: b64(private_key())),
    "age": ("age-secret-key", "SOPS_AGE_KEY", lambda: "AGE-SECRET-KEY-1" + bitcoin32(58)),
    "1password service account": ("1password-service-account", "OP_SERVICE_ACCOUNT_TOKEN", lambda: "ops_" + b64url(compact({"email": "a@b.c", "muk": hexes(64), "secretKey": hexes(40)}))),
    "sentry": ("sentry-token", "SENTRY_AUTH_TOKEN", lambda: pick("sntryu_" + hexes(64), "sntrys_" + b64(compact({"iat": 1700000000.1, "url": "https://sentry.io", "org": "acme"})) + "_" + b64(random_bytes(32)).rstrip("="))),
    "jwt": ("jwt", "ID_TOKEN", lambda: pick(jwt, jwt, jwt, jwe)()),
    "github": ("github-token", "GITHUB_TOKEN", github),
    "github fine-grained": ("github-fine-grained-token", "GH_TOKEN", lambda: f"github_pat_{take(ALNUM, 22)}_{take(ALNUM, 59)}"),
    "gitlab": ("gitlab-token", "GITLAB_TOKEN", gitlab),
    "gitlab runner registration": ("gitlab-runner-token", "REGISTRATION_TOKEN", lambda: "GR1348941" + take(URLSAFE, 20)),
    "bitbucket": ("bitbucket-token", "BITBUCKET_APP_PASSWORD", lambda: "ATBB" + take(ALNUM, 32)),
    "atlassian": ("atlassian-token", "JIRA_API_TOKEN", lambda: "ATATT3" + take(URLSAFE, 177) + "=" + hexes(8).upper()),
    "linear": ("linear-token", "LINEAR_API_KEY", lambda: pick("lin_api_", "lin_oauth_") + take(ALNUM, 40)),
    "buildkite": ("buildkite-token", "BUILDKITE_TOKEN", lambda: "bkua_" + hexes(40)),
    "circleci": ("circleci-token", "CIRCLECI_TOKEN", lambda: f"CCIPAT_{take(ALNUM, 22)}_{hexes(40)}"),
    "sonar": ("sonar-token", "SONAR_TOKEN", lambda: pick("sqp_", "squ_", "sqa_") + hexes(40)),
    "snyk": ("snyk-token", "SNYK_TOKEN", lambda: f"snyk_uat.{hexes(8)}.{take(URLSAFE, 60)}"),
    "aws key id": ("aws-access-key-id", "AWS_ACCESS_KEY_ID", lambda: pick("AKIA", "ASIA") + take(BASE32, 16)),
    "aws secret key": ("aws-secret-access-key", "AWS_SECRET_ACCESS_KEY", lambda: take(B64, 40), "named"),
    "aws session token": ("aws-session-token", "AWS_SESSION_TOKEN", lambda: "IQoJb3JpZ2luX2Vj" + b64(random_bytes(300))),
    "bedrock": ("aws-bedrock-key", "AWS_BEARER_TOKEN_BEDROCK", lambda: pick("ABSK" + b64("BedrockAPIKey-" + take(ALNUM, 4) + "-at-" + take(DIGITS, 12) + ":" + take(B64, 44)), "bedrock-api-key-" + b64("bedrock.amazonaws.com/?Action=CallWithBearerToken&X-Amz-Signature=" + hexes(64)))),
    "google api key": ("google-api-key", "GEMINI_API_KEY", lambda: pick("AIzaSy" + take(URLSAFE, 33), "AIzaSy" + take(URLSAFE, 33), "AQ.Ab8" + take(URLSAFE, 47))),
    "google oauth": ("google-oauth", "GOOGLE_CLIENT_SECRET", lambda: pick("GOCSPX-" + take(URLSAFE, 28), "ya29." + take(URLSAFE, 150), "1//0" + take(URLSAFE, 60))),
    "google service account": ("private-key", "GOOGLE_CREDENTIALS", lambda: json.dumps(service_account(), indent=pick(None, 2))),
    "google service account in base64": ("google-service-account", "GOOGLE_CREDENTIALS_B64", lambda: b64(json.dumps(service_account(), indent=2) if rng.random() < 0.5 else compact(service_account()))),
    "azure ad": ("azure-ad-secret", "AZURE_CLIENT_SECRET", lambda: take(ALNUM, 3) + take(DIGITS, 1) + "Q~" + take(ALNUM + "_.~-", 34)),
    "azure connection string": ("azure-connection-string azure-key", "AZURE_CONNECTION_STRING", azure_connection),
    "azure storage key": ("azure-storage-key azure-key", "AZURE_STORAGE_KEY", lambda: b64(random_bytes(64)), "named"),
    "azure identifiable key": ("azure-key", "COSMOS_KEY", lambda: pick(azure_key(76, "+ASt") + "==", azure_key(76, "ACDb") + "==", azure_key(33, "+ASb") + "=", azure_key(33, "+AEh") + "=", azure_key(42, "AzSe"), azure_key(42, "AzFu") + "==")),
    "azure sas": ("azure-sas url-query-secret", "AZURE_SAS_TOKEN", sas),
    "digitalocean": ("digitalocean-token", "DIGITALOCEAN_TOKEN", lambda: pick("dop", "doo", "dor") + "_v1_" + hexes(64)),
    "alibaba": ("alibaba-key-id", "ALICLOUD_ACCESS_KEY", lambda: "LTAI" + take(ALNUM, 20)),
    "cloudflare": ("cloudflare-key", "CLOUDFLARE_API_TOKEN", lambda: take(URLSAFE, 40), "named"),
    "cloudflare global": ("cloudflare-key", "CF_API_KEY", lambda: hexes(37), "named"),
    "cloudflare origin ca": ("cloudflare-key", "CF_ORIGIN_KEY", lambda: f"v1.0-{hexes(24)}-{hexes(146)}"),
    "fly": ("fly-token", "FLY_API_TOKEN", lambda: pick("fo1_" + take(URLSAFE, 43), "FlyV1 fm2_" + b64(random_bytes(180)))),
    "heroku": ("heroku-key", "HEROKU_API_KEY", lambda: pick(uid(), uid(), "HRKU-AA" + take(URLSAFE, 58)), "named"),
    "vercel": ("vercel-token", "VERCEL_TOKEN", lambda: take(ALNUM, 24), "named"),
    "vercel prefixed": ("vercel-token", "VERCEL_TOKEN", lambda: pick("vcp_" + take(ALNUM, 56), "vercel_blob_rw_" + take(ALNUM, 16) + "_" + take(ALNUM, 30))),
    "netlify": ("netlify-token", "NETLIFY_AUTH_TOKEN", lambda: pick("nfp_", "nfc_", "nfo_") + take(ALNUM, 36)),
    "supabase": ("supabase-key", "SUPABASE_ACCESS_TOKEN", lambda: pick("sbp_" + hexes(40), f"sb_secret_{take(URLSAFE, 22)}_{take(URLSAFE, 8)}")),
    "planetscale": ("planetscale-token", "PLANETSCALE_TOKEN", lambda: pick("pscale_tkn_", "pscale_pw_", "pscale_oauth_") + take(URLSAFE, 43)),
    "neon": ("neon-key", "NEON_API_KEY", lambda: "napi_" + take(LOWER + DIGITS, 64)),
    "databricks": ("databricks-token", "DATABRICKS_TOKEN", lambda: "dapi" + hexes(32) + pick("", "-2")),
    "vault": ("vault-token", "VAULT_TOKEN", lambda: pick("hvs.", "hvb.") + pick(take(ALNUM, 24), take(URLSAFE, 95), take(URLSAFE, 140))),
    "terraform cloud": ("terraform-cloud-token", "TF_TOKEN_app_terraform_io", lambda: f"{take(ALNUM, 14)}.atlasv1.{take(ALNUM, 67)}"),
    "pulumi": ("pulumi-token", "PULUMI_ACCESS_TOKEN", lambda: "pul-" + hexes(40)),
    "tailscale": ("tailscale-key", "TS_AUTHKEY", lambda: f"tskey-{pick('auth', 'api', 'client')}-{take(ALNUM, 12)}CNTRL-{take(ALNUM, 32)}"),
    "doppler": ("doppler-token", "DOPPLER_TOKEN", lambda: pick("dp.pt." + take(ALNUM, 43), "dp.st.prd." + take(ALNUM, 43), "dp.ct." + take(ALNUM, 43))),
    "1password secret key": ("1password-secret-key", "OP_SECRET_KEY", lambda: f"A3-{take(UPPER + DIGITS, 6)}-{take(UPPER + DIGITS, 6)}-" + "-".join(take(UPPER + DIGITS, 5) for _ in range(4))),
    "anthropic": ("anthropic-key", "ANTHROPIC_API_KEY", lambda: pick("sk-ant-api03-", "sk-ant-admin01-", "sk-ant-oat01-") + take(URLSAFE, 93) + "AA"),
    "openrouter": ("openrouter-key", "OPENROUTER_API_KEY", lambda: "sk-or-v1-" + hexes(64)),
    "openai": ("openai-key", "OPENAI_API_KEY", openai),
    "deepseek and others": ("sk-key", "DEEPSEEK_API_KEY", lambda: pick("sk-" + hexes(32), "sk-" + take(ALNUM, 48), "sk-lf-" + uid())),
    "hugging face": ("huggingface-token", "HF_TOKEN", lambda: pick("hf_", "api_org_") + take(UPPER + LOWER, 34)),
    "groq": ("groq-key", "GROQ_API_KEY", lambda: "gsk_" + take(ALNUM, 52)),
    "xai": ("xai-key", "XAI_API_KEY", lambda: "xai-" + take(ALNUM, 80)),
    "replicate": ("replicate-token", "REPLICATE_API_TOKEN", lambda: "r8_" + take(ALNUM, 37)),
    "perplexity": ("perplexity-key", "PERPLEXITY_API_KEY", lambda: "pplx-" + take(ALNUM, 48)),
    "nvidia": ("nvidia-key", "NVIDIA_API_KEY", lambda: "nvapi-" + take(URLSAFE, 64)),
    "cerebras": ("cerebras-key", "CEREBRAS_API_KEY", lambda: "csk-" + take(LOWER + DIGITS, 48)),
    "pinecone": ("pinecone-key", "PINECONE_API_KEY", lambda: f"pcsk_{take(ALNUM, 6)}_{take(ALNUM, 63)}"),
    "langsmith": ("langsmith-key", "LANGSMITH_API_KEY", lambda: f"lsv2_{pick('pt', 'sk')}_{hexes(32)}_{hexes(10)}"),
    "tavily": ("tavily-key", "TAVILY_API_KEY", lambda: "tvly-" + pick("", "dev-", "prod-") + take(ALNUM, 32)),
    "elevenlabs": ("elevenlabs-key", "ELEVENLABS_API_KEY", lambda: "sk_" + hexes(48)),
    "e2b": ("e2b-key", "E2B_API_KEY", lambda: "e2b_" + hexes(40)),
    "mistral": ("mistral-key", "MISTRAL_API_KEY", lambda: take(ALNUM, 32), "named"),
    "cohere": ("cohere-key", "COHERE_API_KEY", lambda: take(ALNUM, 40), "named"),
    "slack": ("slack-token", "SLACK_BOT_TOKEN", slack),
    "slack webhook": ("slack-webhook", "SLACK_WEBHOOK_URL", lambda: f"https://hooks.slack.com/services/T{take(UPPER + DIGITS, 10)}/B{take(UPPER + DIGITS, 10)}/{take(ALNUM, 24)}"),
    "discord webhook": ("discord-webhook", "DISCORD_WEBHOOK", lambda: f"https://discord.com/api/webhooks/{take(DIGITS, 19)}/{take(URLSAFE, 68)}"),
    "teams webhook": ("teams-webhook", "TEAMS_WEBHOOK", lambda: f"https://acme.webhook.office.com/webhookb2/{uid()}@{uid()}/IncomingWebhook/{hexes(32)}/{uid()}"),
    "discord bot": ("discord-bot-token", "DISCORD_TOKEN", discord),
    "telegram bot": ("telegram-bot-token", "TELEGRAM_BOT_TOKEN", lambda: f"{rng.randrange(10**8, 9 * 10**9)}:AA{pick('E', 'F', 'G', 'H')}{take(URLSAFE, 32)}"),
    "sendgrid": ("sendgrid-key", "SENDGRID_API_KEY", lambda: f"SG.{take(URLSAFE, 22)}.{take(URLSAFE, 43)}"),
    "twilio api key": ("twilio-key", "TWILIO_API_KEY", lambda: "SK" + hexes(32)),
    "twilio auth token": ("twilio-auth-token", "TWILIO_AUTH_TOKEN", lambda: hexes(32), "named"),
    "mailgun": ("mailgun-key", "MAILGUN_API_KEY", lambda: pick("key-" + hexes(32), f"{hexes(32)}-{hexes(8)}-{hexes(8)}")),
    "mailchimp": ("mailchimp-key", "MAILCHIMP_API_KEY", lambda: f"{hexes(32)}-us{rng.randrange(1, 22)}"),
    "brevo": ("brevo-key", "BREVO_API_KEY", lambda: f"xkeysib-{hexes(64)}-{take(ALNUM, 16)}"),
    "resend": ("resend-key", "RESEND_API_KEY", lambda: f"re_{take(ALNUM, 8)}_{take(ALNUM, 24)}"),
    "stripe": ("stripe-key", "STRIPE_SECRET_KEY", lambda: pick("sk", "rk") + "_" + pick("test", "live") + "_" + take(ALNUM, pick(24, 99))),
    "stripe webhook": ("webhook-secret", "STRIPE_WEBHOOK_SECRET", lambda: "whsec_" + take(ALNUM, 32)),
    "shopify": ("shopify-token", "SHOPIFY_TOKEN", lambda: pick("shpat_", "shpca_", "shppa_", "shpss_") + hexes(32)),
    "square": ("square-token", "SQUARE_TOKEN", lambda: pick("sq0atp-" + take(URLSAFE, 22), "sq0csp-" + take(URLSAFE, 43))),
    "npm": ("npm-token", "NPM_TOKEN", lambda: "npm_" + take(ALNUM, 36)),
    "pypi": ("pypi-token", "TWINE_PASSWORD", lambda: "pypi-AgEIcHlwaS5vcmc" + take(URLSAFE, 150)),
    "rubygems": ("rubygems-key", "GEM_HOST_API_KEY", lambda: "rubygems_" + hexes(48)),
    "crates": ("crates-token", "CARGO_REGISTRY_TOKEN", lambda: "cio" + take(ALNUM, 32)),
    "nuget": ("nuget-key", "NUGET_API_KEY", lambda: "oy2" + take(LOWER + DIGITS, 43)),
    "docker hub": ("docker-hub-token", "DOCKERHUB_TOKEN", lambda: pick("dckr_pat_", "dckr_oat_") + take(URLSAFE, 27)),
    "grafana": ("grafana-token", "GRAFANA_TOKEN", lambda: pick(f"glsa_{take(ALNUM, 32)}_{hexes(8)}", "glc_" + b64(compact({"o": "1", "n": "a", "k": take(ALNUM, 24), "m": {"r": "eu"}})), b64(compact({"k": take(ALNUM, 32), "n": "ci-reader", "id": 1})))),
    "new relic": ("newrelic-key", "NEW_RELIC_LICENSE_KEY", lambda: pick("NRAK-" + take(UPPER + DIGITS, 27), hexes(36) + "NRAL", "NRII-" + take(URLSAFE, 32))),
    "datadog": ("datadog-key", "DD_API_KEY", lambda: hexes(pick(32, 40)), "named"),
    "dynatrace": ("dynatrace-token", "DT_TOKEN", lambda: f"dt0c01.{take(BASE32, 24)}.{take(BASE32, 64)}"),
    "notion": ("notion-token", "NOTION_TOKEN", lambda: pick("ntn_" + take(DIGITS, 11) + take(ALNUM, 35), "secret_" + take(ALNUM, 43))),
    "postman": ("postman-key", "POSTMAN_API_KEY", lambda: f"PMAK-{hexes(24)}-{hexes(34)}"),
    "airtable": ("airtable-token", "AIRTABLE_TOKEN", lambda: f"pat{take(ALNUM, 14)}.{hexes(64)}"),
    "figma": ("figma-token", "FIGMA_TOKEN", lambda: "figd_" + take(URLSAFE, 40)),
    "okta": ("okta-token", "OKTA_API_TOKEN", lambda: "00" + take(URLSAFE, 40), "named"),
    "dropbox": ("dropbox-token", "DROPBOX_TOKEN", lambda: "sl." + take(URLSAFE, 140)),
    "mapbox": ("mapbox-token", "MAPBOX_SECRET_TOKEN", lambda: "sk." + b64url(compact({"u": "acme-maps", "a": take(LOWER + DIGITS, 25)})) + "." + take(URLSAFE, 22)),
    "artifactory": ("artifactory-token", "ARTIFACTORY_API_KEY", lambda: pick("AKCp8" + take(ALNUM, 68), b64(f"reftkn:01:{rng.randrange(10**9, 2 * 10**9)}:{take(ALNUM, 28)}"))),
    "algolia": ("algolia-key", "ALGOLIA_ADMIN_KEY", lambda: hexes(32), "named"),
    "fastly": ("fastly-token", "FASTLY_API_TOKEN", lambda: take(URLSAFE, 32), "named"),
    "url with password": ("url-userinfo", "DATABASE_URL", url_password, "url"),
    "url with token": ("url-token", "REPOSITORY", lambda: f"https://{take(ALNUM, pick(20, 32, 40))}@{pick('git.acme.dev/team/app.git', 'bitbucket.org/a/b.git', 'registry.acme.dev/simple')}", "url"),
    "url with secret in its query": ("url-query-secret", "CALLBACK", lambda: f"https://{pick('api', 'files')}.acme.dev/v1/{pick('items', 'download')}?{pick('page=2&', '', 'lang=en&')}{pick('access_token', 'api_key', 'token', 'signature', 'X-Amz-Signature', 'client_secret')}={pick(hexes(64), take(ALNUM, 40))}", "url"),
    "password": ("generic-secret", pick, password, "named"),
    "secret of some service": ("generic-secret", pick, lambda: pick(hexes(32), hexes(64), take(ALNUM, 24), take(ALNUM, 40), take(URLSAFE, 43), b64(random_bytes(32)), uid()), "named"),
    "random token": ("random-token", "", lambda: take(ALNUM, rng.randrange(36, 65)), "bare"),
}

NEUTRAL_NAMES = ["VALUE", "FOO", "CONFIG", "X", "SETTING_1", "", "data", "input"]
PASSWORD_NAMES = ["DB_PASSWORD", "PASSWORD", "postgresPassword", "PGPASSWORD", "smtp-password", "REDIS_PASS", "admin_passwd", "MYSQL_ROOT_PASSWORD", "keystorePassphrase"]
SECRET_NAMES = ["API_KEY", "SECRET_KEY", "clientSecret", "SESSION_SECRET", "auth_token", "JWT_SECRET", "ACME_API_TOKEN", "WEBHOOK_SIGNING_KEY", "encryption-key", "SECRET_KEY_BASE", "accessToken", "NEXTAUTH_SECRET", "private_key"]


def shell_line(name, value):
    if "\n" in value:
        return pick(f"cat > key.txt <<'EOF'\n{value}\nEOF\nchmod 600 key.txt", f"set -e\nexport {name}='{value}'\nmake")
    q = pick('"', "'") if any(c in value for c in " ;&|<>()$!#*'\"") else pick("", '"', "'")
    flag = name.lower().replace("_", "-")
    return pick(f"export {name}={q}{value}{q}", f"{name}={q}{value}{q} make deploy", f"set -eu\nnpm ci\nexport {name}={q}{value}{q}\nnpm test\n",
                f"docker run -e {name}={q}{value}{q} acme/app:1.2", f"tool --{flag} {q}{value}{q} --verbose", f"echo '{name}: {value}' >> config.yml",
                f"printf '{{\"{name}\": \"%s\"}}' > c.json # {{\"{name}\": \"{value}\"}}")


def bearer_line(value):
    return f"curl -fsSL -H \"Authorization: Bearer {value}\" https://api.acme.dev/v1/me | jq ."


def write_secrets(path):
    with path.open("w") as out:
        def line(kind, form, name, value, rules):
            out.write(json.dumps({"kind": kind, "form": form, "name": name, "value": value, "rules": rules.split()}) + "\n")

        for kind, (rules, name, make, *how) in FORMATS.items():
            how = how[0] if how else "anywhere"
            for i in range(48):
                if name is pick:
                    fitting = pick(*(PASSWORD_NAMES if kind == "password" else SECRET_NAMES))
                else:
                    fitting = name
                if how != "named":
                    line(kind, "bare value, neutral name", pick(*NEUTRAL_NAMES), make(), rules)
                if how == "bare":
                    continue
                line(kind, "bare value, fitting name", fitting, make(), rules)
                value = make()
                line(kind, "shell line", "setup_script", shell_line(fitting, value), rules)
                value = make()
                if how == "anywhere" and "\n" not in value and " " not in value and "://" not in value and "=" not in value[:-2]:
                    line(kind, "authorization", "setup_script", bearer_line(value), rules)
                    value = make()
                    if " " not in value and "\n" not in value:
                        quoted = value.replace("+", "%2B").replace("/", "%2F") if "/" in value else value
                        form = pick(f"https://oauth2:{value}@git.acme.dev/a/b.git", f"git clone https://{value}@git.acme.dev/a/b.git",
                                    f"https://api.acme.dev/v1?token={value}&page=2") if quoted == value else f"https://api.acme.dev/v1?token={value}"
                        line(kind, "url", pick("REMOTE", "setup_script"), form, rules + " url-userinfo url-token url-query-secret")


# ---- ordinary values

NOUNS = "user order cart invoice account session queue worker cache index report image layer bundle branch commit pipeline deploy cluster node pod volume bucket table column schema widget theme locale banner feature metric event stream topic shard replica".split()
VERBS = "get create update delete list fetch resolve build parse render start stop publish refresh validate compute merge restore".split()
ADJECTIVES = "new old fast slow green blue eager lazy primary shared internal external temporary durable static dynamic default".split()
TLDS = ["acme.dev", "example.com", "corp.internal", "svc.cluster.local", "amazonaws.com", "azurewebsites.net", "run.app", "vercel.app"]


def noun():
    return rng.choice(NOUNS)


def camel():
    words = [rng.choice(VERBS)] + [rng.choice(ADJECTIVES + NOUNS).capitalize() for _ in range(rng.randrange(2, 7))]
    return "".join(words)


def host():
    return f"{noun()}-{rng.choice(ADJECTIVES)}{pick('', '-' + hexes(8), '-' + take(LOWER + DIGITS, 10))}.{pick('eu-west-1.', 'us-east-2.', '', 'westeurope-01.')}{rng.choice(TLDS)}"


def sentence():
    return f"{pick('Fix', 'Add', 'Remove', 'Refactor', 'Document')} {rng.choice(ADJECTIVES)} {noun()} {pick('when', 'before', 'after')} {noun()} {pick('is', 'was')} {rng.choice(VERBS)}ed"


def version():
    return f"{rng.randrange(30)}.{rng.randrange(50)}.{rng.randrange(20)}"


def url():
    query = pick("", f"?page={rng.randrange(99)}&sort={noun()}", f"?{noun()}={noun()}&limit=50", f"?v={hexes(8)}", f"?ref={hexes(40)}", "?utm_source=news&utm_medium=email",
                 f"?id={uid()}", f"#{noun()}-{noun()}")
    return f"{pick('https', 'http')}://{host()}{pick('', ':8080', ':443', ':3000')}/{'/'.join(pick(noun(), uid(), hexes(12), take(DIGITS, 6)) for _ in range(rng.randrange(1, 5)))}{query}"


def file_path():
    return pick("/usr/share", "/var/lib", "/home/agent", "./src", "~/.config", "../lib", "/opt", "C:\\Program Files\\App", "/run/secrets") + "/" + "/".join(noun() for _ in range(rng.randrange(1, 5))) + pick("", ".json", ".pem", ".key", ".tar.gz", ".so.3", f"-{version()}", f"-{hexes(8)}")


def ulid():
    return "01" + take("0123456789ABCDEFGHJKMNPQRSTVWXYZ", 24)


def certificate():
    return pem("CERTIFICATE", rng.randrange(500, 900)) + "\n"


def public_key():
    return pick(pem("PUBLIC KEY", 290), pem("RSA PUBLIC KEY", 268), pem("PGP PUBLIC KEY BLOCK", 600, "\n"), pem("CERTIFICATE REQUEST", 500))


def ssh_public_key():
    kind = rng.randrange(3)
    if kind == 0:
        return "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + take(B64, 43) + f" {noun()}@{noun()}"
    if kind == 1:
        return "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ" + take(B64, 500) + f" {noun()}@laptop"
    return f"github.com ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABB" + take(B64, 86) + "="


def image_reference():
    return f"{pick('docker.io/library/', 'ghcr.io/acme/', 'registry.acme.dev:5000/team/', '')}{noun()}{pick(':' + version(), ':latest', '')}{pick('@sha256:' + hexes(64), '')}"


def config_object():
    return {pick("logging", "server", "cache"): {"level": pick("info", "debug"), "port": rng.randrange(1024, 65535), "host": host()},
            "features": [noun() for _ in range(rng.randrange(1, 5))], "version": version(), "id": uid(), "enabled": pick(True, False)}


def config_yaml():
    return f"server:\n  host: {host()}\n  port: {rng.randrange(1024, 65535)}\nlogging:\n  level: {pick('info', 'warn')}\n  path: {file_path()}\nfeatures:\n  - {noun()}\n  - {noun()}\n"


def json_snippet():
    return pick(json.dumps(config_object()), json.dumps(config_object(), indent=2), compact({"compilerOptions": {"target": "ES2022", "strict": True, "paths": {"@/*": ["./src/*"]}}, "include": ["src"]}),
                compact({"name": f"@acme/{noun()}", "version": version(), "dependencies": {noun(): "^" + version(), noun(): "~" + version()}}),
                compact({"token_endpoint": f"https://{host()}/oauth2/token", "issuer": f"https://{host()}", "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"]}),
                compact({"max_tokens": 4096, "stop_token": "</s>", "tokenizer": "cl100k_base", "temperature": 0.2}),
                compact({"passwordPolicy": {"minLength": 12, "requireSymbols": True}, "secretName": "prod/db", "apiKeyHeader": "x-api-key"}),
                compact({"secretRef": {"name": f"{noun()}-secret", "key": "password"}, "tokenReview": True}))


def lock_line():
    return pick(f'      "integrity": "sha512-{b64(random_bytes(64))}"', f'    resolved "https://registry.yarnpkg.com/{noun()}/-/{noun()}-{version()}.tgz#{hexes(40)}"',
                f'{noun()} = {{ version = "{version()}", checksum = "{hexes(64)}" }}', f"    --hash=sha256:{hexes(64)} \\", f'checksum = "{hexes(64)}"',
                f"  {noun()} ({version()})\n    sha256={hexes(64)}", f"github.com/acme/{noun()} v{version()} h1:{b64(random_bytes(32))}",
                f"github.com/acme/{noun()} v{version()}/go.mod h1:{b64(random_bytes(32))}", f"{{:hex, :{noun()}, \"{version()}\", \"{hexes(64)}\", [:mix], [], \"hexpm\", \"{hexes(64)}\"}}")


def terraform():
    return pick(f"var.{noun()}_{noun()}", f"module.{noun()}.{noun()}_arn", f"data.aws_secretsmanager_secret_version.{noun()}.secret_string", f"aws_db_instance.{noun()}.password",
                f'password = var.db_password', f"local.{noun()}_token", f'  token   = data.google_client_config.default.access_token', f"random_password.{noun()}.result")


def actions():
    return pick("${{ secrets.GITHUB_TOKEN }}", f"${{{{ secrets.{noun().upper()}_API_KEY }}}}", "${{ github.sha }}", "token: ${{ secrets.NPM_TOKEN }}", "${{ env.PASSWORD || 'none' }}",
                "NODE_AUTH_TOKEN: ${{ secrets.NPM_TOKEN }}", f"${{{{ needs.{noun()}.outputs.{noun()} }}}}")


def arn():
    return pick(f"arn:aws:iam::{take(DIGITS, 12)}:role/{noun()}-{noun()}", f"arn:aws:secretsmanager:eu-west-1:{take(DIGITS, 12)}:secret:prod/{noun()}-{take(ALNUM, 6)}",
                f"arn:aws:kms:us-east-1:{take(DIGITS, 12)}:key/{uid()}", f"arn:aws:lambda:us-east-1:{take(DIGITS, 12)}:function:{noun()}:{rng.randrange(90)}", f"arn:aws:s3:::{noun()}-{uid()}")


def connection():
    return pick(f"postgres://{noun()}@{host()}:5432/{noun()}", f"postgresql:///{noun()}?host=/var/run/postgresql", f"redis://{host()}:6379/0", f"mongodb://{host()},{host()}/{noun()}?replicaSet=rs0",
                f"jdbc:postgresql://{host()}:5432/{noun()}?user={noun()}&ssl=true", f"Server={host()};Database={noun()};Integrated Security=true;", f"amqp://{host()}:5672/%2F", f"sqlite:///var/lib/{noun()}.db",
                f"postgres://app:${{DB_PASSWORD}}@{host()}/{noun()}", f"https://user:<password>@{host()}/", f"https://$TOKEN@github.com/acme/{noun()}.git", f"ssh://git@{host()}:2222/acme/{noun()}.git",
                f"git@github.com:acme/{noun()}.git", f"host={host()} port=5432 dbname={noun()} user={noun()} sslmode=verify-full", f"DefaultEndpointsProtocol=https;AccountName={noun()};EndpointSuffix=core.windows.net",
                f"https://x-access-token:$GITHUB_TOKEN@github.com/acme/{noun()}")


def script_line():
    tool, package = pick("curl", "wget"), noun()
    return pick(
        "set -euo pipefail", "export DEBIAN_FRONTEND=noninteractive", f"apt-get update && apt-get install -y --no-install-recommends {noun()} {noun()}-dev lib{noun()}1",
        f"curl -fsSL https://{host()}/{noun()}.tar.gz -o /tmp/{noun()}.tar.gz", f'echo "{hexes(64)}  /tmp/{noun()}.tar.gz" | sha256sum -c -', "npm ci --no-audit --no-fund",
        f"pip install --no-cache-dir '{package}=={version()}' --hash=sha256:{hexes(64)}", 'curl -H "Authorization: Bearer $TOKEN" https://api.acme.dev/v1/items', 'curl -u "$USER:$PASSWORD" https://repo.acme.dev/',
        'git clone "https://x-access-token:${GITHUB_TOKEN}@github.com/acme/app.git" /workspace/app', 'echo "//registry.npmjs.org/:_authToken=${NPM_TOKEN}" > ~/.npmrc', 'docker login -u ci --password-stdin < /run/secrets/registry',
        'if [ -z "${API_KEY:-}" ]; then echo "API_KEY is not set" >&2; exit 1; fi', "PASSWORD_FILE=/run/secrets/db", 'export DB_PASSWORD="$(cat /run/secrets/db_password)"', 'TOKEN=$(vault kv get -field=token secret/app)',
        f"useradd --create-home --shell /bin/bash {noun()}", f"ln -sf /usr/bin/python3.12 /usr/local/bin/python", "# the token is passed in by the pipeline; password: see the vault", f"git checkout {hexes(40)}",
        f"kubectl create secret generic {noun()} --from-file=token=/run/secrets/token", 'read -rsp "Password: " PASSWORD', f"export PATH=/opt/{noun()}/bin:$PATH", f"sed -i 's/^password = .*/password = ${{DB_PASSWORD}}/' /etc/{noun()}.conf",
        f"gpg --recv-keys {hexes(40).upper()}", f"keytool -importcert -alias {noun()} -file /tmp/ca.pem -storepass changeit -noprompt", "export API_TOKEN=<your token here>", "SECRET_KEY=changeme", "poetry config http-basic.acme __token__ $PYPI_TOKEN",
        f"cargo install {noun()} --version {version()} --locked", f"make -j\"$(nproc)\" {rng.choice(VERBS)}-{noun()}", f"export CACHE_KEY={noun()}-{hexes(40)}", f"mc alias set local http://minio:9000 \"$ACCESS_KEY\" \"$SECRET_KEY\"",
        'aws configure set aws_secret_access_key "$AWS_SECRET_ACCESS_KEY"', f"export TOKENIZER_PATH=/models/{noun()}/tokenizer.json", "AUTH_TYPE=oauth2 AUTH_URL=https://id.acme.dev/login ./run.sh", "ssh-keyscan -t ed25519 github.com >> ~/.ssh/known_hosts",
        'psql "postgresql://postgres@localhost/app" -c "ALTER USER app PASSWORD :\'pw\'"', "for key in \"${!secrets[@]}\"; do echo \"$key\"; done", "openssl rand -hex 32 > /run/secret", "test -n \"$GH_TOKEN\" && gh auth login --with-token <<< \"$GH_TOKEN\"",
        f"sudo -u postgres createuser --pwprompt {noun()}", "export NODE_OPTIONS=--max-old-space-size=4096", "  --build-arg TOKEN \\", "pass show acme/api-token | head -n 1", "bundle config set --local without development:test")


def script():
    return "#!/usr/bin/env bash\n" + "\n".join(script_line() for _ in range(rng.randrange(5, 40))) + "\n"


def named():
    """Names that sound like a secret, or values that look a bit like one, and are neither."""
    return pick(
        ("TOKEN_LIMIT", str(rng.randrange(100, 100000))), ("MAX_TOKENS", "4096"), ("PASSWORD_FILE", "/run/secrets/" + noun()), ("SECRET_NAME", f"prod/{noun()}"), ("KEY_ID", uid()), ("TOKENIZER", pick("gpt2", "cl100k_base", "bert-base-uncased")),
        ("AUTH_MODE", pick("oauth", "oauth2", "basic", "none")), ("PUBLIC_KEY", b64(random_bytes(32))), ("SECRET_ARN", arn()), ("TOKEN_URL", f"https://{host()}/oauth2/token"), ("PASSWORD_MIN_LENGTH", "12"), ("API_KEY_HEADER", "X-Api-Key"),
        ("API_TOKEN", pick("${API_TOKEN}", "$API_TOKEN", "{env:API_TOKEN}", "<your token>", "changeme", "xxxxxxxxxxxx", "your-token-here", "example", "example-token", "TODO", "null", "none", "true", "")), ("DB_PASSWORD", pick("${DB_PASSWORD}", "postgres", "changeme", "password", "<password>", "****", "op://vault/db/password", "vault:secret/data/db#password")),
        ("SECRET_KEY_REF", f"{noun()}-secret"), ("CREDENTIALS_PATH", f"/etc/{noun()}/credentials.json"), ("GOOGLE_APPLICATION_CREDENTIALS", f"/run/secrets/{noun()}.json"), ("SSH_KEY_PATH", "~/.ssh/id_ed25519"), ("CACHE_KEY", f"{noun()}-{hexes(40)}"), ("SORT_KEY", f"{noun()}_at"),
        ("PARTITION_KEY", uid()), ("PRIMARY_KEY", "id"), ("TOKEN_TTL", "3600s"), ("JWT_ISSUER", f"https://{host()}/"), ("JWT_ALGORITHM", "RS256"), ("JWT_AUDIENCE", f"api://{uid()}"), ("ENABLE_PASSWORD_LOGIN", "false"), ("SECRETS_BACKEND", "vault"), ("SECRET_PROVIDER", "aws-secrets-manager"),
        ("OAUTH_CLIENT_ID", f"{take(DIGITS, 12)}-{take(LOWER + DIGITS, 32)}.apps.googleusercontent.com"), ("CLIENT_ID", hexes(20)), ("APP_ID", take(UPPER + DIGITS, 10)), ("STRIPE_PUBLISHABLE_KEY", "pk_test_" + take(ALNUM, 24)), ("SENTRY_DSN", f"https://{hexes(32)}@o{take(DIGITS, 6)}.ingest.sentry.io/{take(DIGITS, 7)}"),
        ("PASS_RATE", "0.97"), ("PASSENGERS", "12"), ("AUTHOR", "Ada Lovelace"), ("KEYBOARD", "us-intl"), ("MONKEY", "patch"), ("COMPASS_HEADING", "northwest"), ("SECRETARY", "Grace Hopper"), ("BYPASS_CACHE", "yes"), ("PAD_TOKEN", "<pad>"), ("EOS_TOKEN", "<|endoftext|>"), ("TOKEN_TYPE", "Bearer"), ("GRANT_TYPE", "client_credentials"),
        ("AZURE_TENANT_ID", uid()), ("AZURE_CLIENT_ID", uid()), ("SUBSCRIPTION_ID", uid()), ("AWS_ACCOUNT_ID", take(DIGITS, 12)), ("AWS_PROFILE", f"{noun()}-prod"), ("KMS_KEY_ID", uid()), ("KEY_VAULT_NAME", f"kv-{noun()}-{noun()}"), ("SECRET_VERSION", "7"), ("SUPABASE_ANON_KEY_NAME", "anon"), ("VAULT_ADDR", f"https://{host()}:8200"),
        ("VAULT_PATH", f"secret/data/{noun()}"), ("TWILIO_ACCOUNT_SID", "AC" + hexes(32)), ("GIT_COMMIT", hexes(40)), ("CSRF_TOKEN_NAME", "csrfmiddlewaretoken"), ("TOKEN_BUCKET_SIZE", "100"), ("ACCESS_KEY_ROTATION_DAYS", "90"), ("API_KEYS_TABLE", f"{noun()}_api_keys"), ("PASSWORD_HASH", f"$2b$12$" + take(ALNUM + "./", 53)),
        ("PWD", f"/home/agent/{noun()}"), ("OLDPWD", "/workspace"), ("SSH_AUTH_SOCK", f"/tmp/ssh-{take(ALNUM, 12)}/agent.{rng.randrange(9999)}"), ("LICENSE_KEY_FILE", "/etc/license.lic"), ("ENCRYPTION_KEY_ID", f"alias/{noun()}"), ("HOST_KEY_ALGORITHMS", "ssh-ed25519,rsa-sha2-512"), ("SIGNING_KEY_FINGERPRINT", hexes(40).upper()),
        ("DB_PASSWORD_SECRET", f"{noun()}-db-password"), ("TOKEN", "process.env.TOKEN"), ("password", f"os.environ['DB_PASSWORD']"), ("api_key", "settings.api_key"), ("secret", f"{noun()}-{noun()}-secret"), ("imagePullSecret", f"regcred-{noun()}"), ("tls_secret", f"{noun()}-tls"))


def wordlike():
    return pick(camel(), "".join(rng.choice(NOUNS).capitalize() for _ in range(5)) + "Factory", f"{noun()}_{noun()}_{noun()}_v{rng.randrange(9)}", f"{noun()}-{rng.choice(ADJECTIVES)}-{noun()}-{rng.randrange(2000, 2030)}")


def java_class():
    return f"com.acme.{noun()}.{noun()}.{rng.choice(ADJECTIVES).capitalize()}{noun().capitalize()}{pick('Impl', 'Factory', 'ServiceBean', 'Abstract')}${noun().capitalize()}"


def prose():
    return "\n".join(pick(
        f"You are a careful agent. {sentence()}.", "Never print tokens, passwords or secrets; they are passed in as $API_TOKEN.", f"- Use `{camel()}` from `src/{noun()}/{noun()}.py`.", "- Authentication: Bearer tokens in the Authorization header.",
        "- The password is asked for at the first start; the token: an opaque string.", f"- See https://{host()}/docs/{noun()}#{noun()}", f"- Secret: a value of the vault, {noun()}-secret by name.", "Basic authentication is not supported; Bearer authentication is.",
        f"Run `make {noun()}` and commit as \"{sentence()}\" ({hexes(7)}).", "API key: ask the administrator.", "- key: value pairs are separated by commas", f"Credentials: stored in {file_path()}") for _ in range(rng.randrange(3, 15)))


PLAIN = {
    "region": lambda: pick("eu-west-1", "us-east-2", "westeurope", "europe-west4-a", "ap-southeast-2", "fra", "nbg1"),
    "log level": lambda: pick("debug", "INFO", "warn", "error", "trace", "info,hyper=warn,app::db=debug"),
    "uuid": lambda: pick(uid(), uid().upper(), "{" + uid() + "}", "urn:uuid:" + uid()),
    "ulid": ulid,
    "hash md5": lambda: hexes(32),
    "hash sha1": lambda: hexes(40),
    "hash sha256": lambda: pick(hexes(64), "sha256:" + hexes(64), hexes(64).upper()),
    "hash sha512": lambda: hexes(128),
    "sri": lambda: pick("sha256-" + b64(random_bytes(32)), "sha384-" + b64(random_bytes(48)), "sha512-" + b64(random_bytes(64))),
    "digest in base64": lambda: b64(random_bytes(pick(16, 20, 32, 48, 64))),
    "base64 of configuration": lambda: pick(b64(compact(config_object())), b64(config_yaml()), b64(prose()), b64url(json.dumps(config_object())), b64(gzip.compress(config_yaml().encode(), mtime=0)), b64(sentence())),
    "url": url,
    "file path": file_path,
    "path list": lambda: ":".join(["/usr/local/bin", "/usr/bin", "/bin"] + [f"/opt/{noun()}/bin" for _ in range(rng.randrange(1, 5))]),
    "public key or certificate": lambda: pick(public_key, certificate)(),
    "certificate in base64": lambda: b64(certificate()),
    "ssh public key": ssh_public_key,
    "version": lambda: pick(version(), "v" + version(), version() + "-rc.1+build." + hexes(7), version() + "-SNAPSHOT"),
    "semver range": lambda: pick(f"^{version()}", f"~{version()}", f">={version()} <{rng.randrange(30, 99)}.0.0", f"{version()} || >={version()}", "1.x"),
    "image reference": image_reference,
    "npm package": lambda: pick(f"@acme/{noun()}-{noun()}@{version()}", f"{noun()}-{noun()}", f"npm:{noun()}@^{version()}"),
    "email": lambda: pick(f"{noun()}.{noun()}@{host()}", f"Ada Lovelace <{noun()}@acme.dev>", f"{take(DIGITS, 8)}+{noun()}[bot]@users.noreply.github.com"),
    "cron": lambda: pick("*/5 * * * *", "0 3 * * 1-5", "@daily", "15 2,14 1 */2 *", "0 0 12 ? * WED"),
    "json": json_snippet,
    "shell script": script,
    "shell line": script_line,
    "connection string without password": connection,
    "agent instructions": prose,
    "feature flags": lambda: pick("true", "false", "on", "1", ",".join(f"{noun()}-{noun()}" for _ in range(4)), f"{noun()}:true,{noun()}:false"),
    "locale": lambda: pick("C.UTF-8", "en_US.UTF-8", "de_DE", "pt-BR", "zh-Hans-CN"),
    "time zone": lambda: pick("Europe/Berlin", "America/Argentina/Buenos_Aires", "UTC", "Etc/GMT+5"),
    "bucket": lambda: pick(f"s3://{noun()}-{uid()}/", f"{noun()}-{uid()}", f"gs://{noun()}-{take(DIGITS, 12)}/{noun()}/"),
    "actions expression": actions,
    "terraform": terraform,
    "arn": arn,
    "colour": lambda: pick("#" + hexes(6), "#" + hexes(8).upper(), "rgb(12, 34, 56)", "hsl(210 40% 98%)", "--primary: #" + hexes(6)),
    "base32": lambda: pick(take(BASE32, 16), take(BASE32, 32), base64.b32encode(sentence().encode()).decode()),
    "identifier": wordlike,
    "java class": java_class,
    "lock file line": lock_line,
    "lock file": lambda: "\n".join(lock_line() for _ in range(20)),
    "host": host,
    "cloud host with a hash": lambda: pick(f"{noun()}-{take(LOWER + DIGITS, 10)}-uc.a.run.app", f"{noun()}.{take(LOWER + DIGITS, 12)}.eu-west-1.rds.amazonaws.com", f"{noun()}-{take(LOWER + DIGITS, 9)}-acme.vercel.app", f"ep-{noun()}-{noun()}-{take(DIGITS, 8)}.us-east-2.aws.neon.tech", f"{take(LOWER + DIGITS, 13)}.cloudfront.net", f"{hexes(32)}.gr7.us-east-1.eks.amazonaws.com"),
    "commit message": lambda: sentence() + pick("", f"\n\nFixes #{rng.randrange(9999)}\nCo-authored-by: Ada <ada@acme.dev>\n", f"\n\nThis reverts commit {hexes(40)}."),
    "number": lambda: pick(str(rng.randrange(10**9)), "0.75", "4096", "10MB", "30s", "1e-5", "0x" + hexes(8), take(DIGITS, 18)),
    "kubernetes name": lambda: pick(f"{noun()}-{take('bcdfghjklmnpqrstvwxz2456789', 10)}-{take('bcdfghjklmnpqrstvwxz2456789', 5)}", f"i-0{hexes(16)}", f"sg-0{hexes(16)}", f"subnet-{hexes(17)}", f"vol-0{hexes(16)}"),
    "id of some service": lambda: pick("G-" + take(UPPER + DIGITS, 10), "UA-" + take(DIGITS, 8) + "-1", "acct_" + take(ALNUM, 16), "price_" + take(ALNUM, 24), "prj_" + take(ALNUM, 24), "AC" + hexes(32), "pk_live_" + take(ALNUM, 24), "Z" + take(UPPER + DIGITS, 20), "cus_" + take(ALNUM, 14), "rec" + take(ALNUM, 14),
                                       "01" + take(UPPER + DIGITS, 10), "pub" + hexes(32), "sb_publishable_" + take(URLSAFE, 22), take(LOWER, 20), "dQw" + take(URLSAFE, 8), "req_" + take(ALNUM, 24), "projects/" + noun() + "/secrets/" + noun() + "/versions/3"),
    "content id": lambda: pick("Qm" + take(ALNUM, 44), "bafybei" + take(LOWER + "234567", 52), "0x" + hexes(40), "bc1q" + take(LOWER + DIGITS, 38)),
    "id of a document": lambda: pick("1" + take(URLSAFE, 43), "1" + take(URLSAFE, 32)),
    "query or command": lambda: pick(f"SELECT * FROM {noun()} WHERE token IS NOT NULL AND {noun()}_id = '{uid()}'", "grep -rn 'BEGIN PRIVATE KEY' . && echo found", "^sk-[a-z]+$", "--password-file=/run/secrets/pw", "-Dtoken.path=/etc/t -Xmx2g", "(?i)password|secret|token", f"{{{{ .Values.{noun()}.password }}}}", "env | grep -v TOKEN"),
}


def write_ordinary(path):
    with path.open("w") as out:
        def line(kind, name, value):
            out.write(json.dumps({"kind": kind, "form": "ordinary", "name": name, "value": value, "rules": []}) + "\n")

        plain_names = ["VALUE", "FOO", "CONFIG", "APP_SETTING", "", "DATA", "TARGET", "SOURCE", "NAME"]
        for kind, make in PLAIN.items():
            for _ in range(130):
                name = pick("DOCUMENT_ID", "SHEET", "FOLDER_ID", "TEMPLATE_ID") if kind == "id of a document" else pick(*plain_names)
                line(kind, name, make())
        for _ in range(900):
            line("harmless under a name that sounds secret", *named())


def main(arguments):
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    directory = pathlib.Path(arguments[0])
    directory.mkdir(parents=True, exist_ok=True)
    write_secrets(directory / "secrets.jsonl")
    write_ordinary(directory / "ordinary.jsonl")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
