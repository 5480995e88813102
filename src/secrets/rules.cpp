// SPDX-License-Identifier: Apache-2.0
#include "secrets/rules.hpp"

namespace sandboxkit::secrets {

// Lengths are the shortest that are known, mostly without a longest: providers make their tokens longer without asking.
// clang-format off
static constexpr FormRule rules[] = {
    // Keys and tokens that say of themselves what they are, whoever made them.
    {{"private-key", "a private key in PEM or PuTTY's form: RSA, EC, OpenSSH, PGP, encrypted or not"},
     R"(-----? ?BEGIN [A-Z0-9 ]*PRIVATE KEY|Private-Lines: [0-9])",
     R"((?s)(?:-----? ?BEGIN (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)? ?-----?|Private-Lines: [0-9]+)(?:[\s"'+,|>]|\\[nrt]|[A-Za-z-]{4,20}: [^\n]*\n)*([A-Za-z0-9+/]{40,}))", Judged::block},
    {{"private-key-base64", "a private key in PEM, encoded in base64 once more"},
     R"(LS0tLS1CRUdJTi(?:BSU0EgUFJJVk|BQUklWQV|BPUEVOU1NI|BFQyBQUkl|BFTkNSWV|BEU0EgUFJJ|BQR1AgUFJJ))",
     R"((LS0tLS1CRUdJTi(?:BSU0EgUFJJVk|BQUklWQV|BPUEVOU1NI|BFQyBQUkl|BFTkNSWV|BEU0EgUFJJ|BQR1AgUFJJ)[A-Za-z0-9+/]{40,}={0,2}))"},
    {{"age-secret-key", "an age identity"}, R"(AGE-SECRET-KEY-)",
     R"(\b(AGE-SECRET-KEY-(?:1|PQ-1)[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{50,}))"},
    {{"1password-service-account", "a service account token of 1Password"}, R"(\bops_eyJ[A-Za-z0-9])", R"(\b(ops_eyJ[A-Za-z0-9_+/=-]{60,}))"},
    {{"sentry-token", "an auth token of Sentry"}, R"(\bsntry[usa]_[A-Za-z0-9]{4})", R"(\b(sntrys_eyJ[A-Za-z0-9_+/=-]{40,}|sntry[ua]_[a-f0-9]{64}))"},
    {{"jwt", "a JSON web token, signed or encrypted"}, R"(\bey[JI][A-Za-z0-9_-]{9}[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-])",
     R"(\b(ey[JI][A-Za-z0-9_-]{9,}\.(?:ey[JI][A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{20,}|[A-Za-z0-9_-]*\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{16,})))"},

    // Code hosts.
    {{"github-token", "a token of GitHub: personal (classic), OAuth, app, refresh"}, R"(gh[pousr]_[A-Za-z0-9._-]{8})",
     R"((gh[pour]_[A-Za-z0-9]{36,}|ghs_[A-Za-z0-9._-]{36,}))"},
    {{"github-fine-grained-token", "a fine-grained personal access token of GitHub"}, R"(github_pat_[A-Za-z0-9])", R"((github_pat_[A-Za-z0-9_]{60,}))"},
    {{"gitlab-token", "a token of GitLab: personal, deploy, job, runner, trigger, feed, agent; the routable form too"},
     R"(\bgl(?:pat|dt|cbt|rtr|rt|ptt|ft|imt|agent|oas|soat|ffct|wt)-[A-Za-z0-9_.=-]{8})",
     R"(\b(gl(?:pat|dt|cbt|rtr|rt|ptt|ft|imt|agent|oas|soat|ffct|wt)-[A-Za-z0-9_.=-]{20,}))", Judged::entropy},
    {{"gitlab-runner-token", "a registration token of GitLab's runners"}, R"(\bGR1348941[A-Za-z0-9_-]{4})", R"(\b(GR1348941[A-Za-z0-9_-]{20,}))"},
    {{"bitbucket-token", "an app password or access token of Bitbucket"}, R"(\bAT(?:BB|CTT3)[A-Za-z0-9_=-])", R"(\b(ATBB[A-Za-z0-9]{32,}|ATCTT3[A-Za-z0-9_=-]{60,}))"},
    {{"atlassian-token", "an API token of Atlassian"}, R"(\bATATT3[A-Za-z0-9_=-])", R"(\b(ATATT3[A-Za-z0-9_=-]{60,}))"},
    {{"linear-token", "a key of Linear"}, R"(\blin_(?:api|oauth|wh)_[A-Za-z0-9])", R"(\b(lin_(?:api|oauth|wh)_[A-Za-z0-9]{32,}))"},
    {{"buildkite-token", "a token of Buildkite"}, R"(\bbk(?:ua|aj|ct|pt)_[A-Za-z0-9]{4})", R"(\b(bk(?:ua|aj|ct|pt)_[A-Za-z0-9]{38,}))"},
    {{"circleci-token", "a token of CircleCI"}, R"(\bCCI(?:PAT|PRJ)_[A-Za-z0-9])", R"(\b(CCI(?:PAT|PRJ)_[A-Za-z0-9]{20,}_[a-f0-9]{40}))"},
    {{"sonar-token", "a token of SonarQube"}, R"(\bsq[apu]_[a-f0-9]{8})", R"(\b(sq[apu]_[a-f0-9]{40})\b)"},
    {{"snyk-token", "a personal token of Snyk"}, R"(\bsnyk_[us]at\.)", R"(\b(snyk_[us]at\.[a-f0-9]{6,}\.[A-Za-z0-9_.-]{30,}))"},

    // Clouds.
    {{"aws-access-key-id", "the id of an access key of AWS"}, R"(\b(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{8})",
     R"(\b((?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16})\b)"},
    {{"aws-session-token", "a session token of AWS STS"}, R"(\b(?:IQoJb3JpZ2luX|FwoGZXIvYXdz|FQoGZXIvYXdz|FQoDYXdz)[A-Za-z0-9+/]{8})",
     R"(\b((?:IQoJb3JpZ2luX|FwoGZXIvYXdz|FQoGZXIvYXdz|FQoDYXdz)[A-Za-z0-9+/]{80,}={0,2}))"},
    {{"aws-bedrock-key", "an API key of Amazon Bedrock, long or short term"}, R"(\bABSK[A-Za-z0-9+/]{8}|\bbedrock-api-key-[A-Za-z0-9])",
     R"(\b(ABSK[A-Za-z0-9+/]{90,}={0,2}|bedrock-api-key-[A-Za-z0-9+/]{60,}={0,2}))"},
    {{"google-api-key", "an API key of Google, Gemini's too"}, R"(\bAIza[A-Za-z0-9_-]{8}|\bAQ\.Ab[A-Za-z0-9_-]{8})",
     R"(\b(AIza[A-Za-z0-9_-]{35}|AQ\.Ab[A-Za-z0-9_-]{40,})(?:[^A-Za-z0-9_-]|$))"},
    {{"google-oauth", "a client secret, access token or refresh token of Google OAuth"}, R"(GOCSPX-[A-Za-z0-9_-]|\bya29\.[A-Za-z0-9_-]|\b1//0[A-Za-z0-9_-])",
     R"((GOCSPX-[A-Za-z0-9_-]{24,}|\bya29\.[A-Za-z0-9_-]{20,}|\b1//0[A-Za-z0-9_-]{38,}))"},
    {{"google-service-account", "a service account's key file of Google, in base64 (its JSON form has a private key)"},
     R"((?:ewogICJ0eXBlIjogInNlcnZpY2VfYWNjb3VudCI|eyJ0eXBlIjoic2VydmljZV9hY2NvdW50I|eyJ0eXBlIjogInNlcnZpY2VfYWNjb3VudCI))",
     R"(((?:ewogICJ0eXBlIjogInNlcnZpY2VfYWNjb3VudCI|eyJ0eXBlIjoic2VydmljZV9hY2NvdW50I|eyJ0eXBlIjogInNlcnZpY2VfYWNjb3VudCI)[A-Za-z0-9+/]{60,}={0,2}))"},
    {{"azure-ad-secret", "a client secret of Microsoft Entra ID"}, R"([0-9]Q~[A-Za-z0-9_~.-]{8})",
     R"((?:^|[^A-Za-z0-9_~.-])([A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34})(?:[^A-Za-z0-9_~.-]|$))"},
    {{"azure-connection-string", "the key in a connection string of Azure: storage, service bus, event hubs, app configuration"},
     R"((?i:AccountKey|SharedAccessKey|SharedSecretValue|;Secret)=[A-Za-z0-9+/]{8})",
     R"((?i:AccountKey|SharedAccessKey|SharedSecretValue|;Secret)=([A-Za-z0-9+/]{40,}={0,2}))"},
    {{"azure-key", "a key of Azure that carries the signature of its service: storage, Cosmos DB, Batch, service bus, search, functions"},
     R"((?:\+ASt|ACDb|\+ABa|\+AMC|\+ASb|\+AEh|\+ARm|\+ACR|AzSe|AzFu|AzCa|AIoT|APIM)[A-Za-z0-9+/]{5,6}(?:=|[^A-Za-z0-9+/]|$))",
     R"((?:^|[^A-Za-z0-9+/])([A-Za-z0-9+/]{76}(?:\+ASt|ACDb|\+ABa|\+AMC)[A-Za-z0-9+/]{5,6}={1,2}|[A-Za-z0-9+/]{33}(?:\+ASb|\+AEh|\+ARm|AIoT|APIM)[A-Za-z0-9+/]{5,6}=|[A-Za-z0-9+/]{42}(?:\+ACR|AzSe|AzFu|AzCa)[A-Za-z0-9+/]{5,6}={0,2}))"},
    {{"azure-sas", "the signature of a shared access token of Azure"}, R"([?&; ]sig=[A-Za-z0-9%+/]{8})",
     R"([?&; ]sig=([A-Za-z0-9%+/]{43,}(?:%3[dD]|=)))"},
    {{"digitalocean-token", "a token of DigitalOcean"}, R"(\bdo[opr]_v1_[a-f0-9])", R"(\b(do[opr]_v1_[a-f0-9]{64}))"},
    {{"alibaba-key-id", "the id of an access key of Alibaba Cloud"}, R"(\bLTAI[A-Za-z0-9]{8})", R"(\b(LTAI[A-Za-z0-9]{16,20})\b)"},
    {{"cloudflare-key", "an API token or origin CA key of Cloudflare that has a prefix"}, R"(\bv1\.0-[a-f0-9]{8}|\bcf(?:ut|at|k)_[A-Za-z0-9]{8})",
     R"(\b(v1\.0-[a-f0-9]{24}-[a-f0-9]{100,}|cf(?:ut|at|k)_[A-Za-z0-9]{40,}))"},
    {{"fly-token", "a token of Fly.io"}, R"(\bfo1_[A-Za-z0-9_-]{8}|\bfm[12][ar]?_[A-Za-z0-9+/]{8})", R"(\b(fo1_[A-Za-z0-9_-]{40,}|fm[12][ar]?_[A-Za-z0-9+/]{60,}={0,3}))"},
    {{"heroku-key", "an API key of Heroku"}, R"(\bHRKU-[A-Za-z0-9])", R"(\b(HRKU-[A-Za-z0-9_-]{36,}))"},
    {{"vercel-token", "a token of Vercel"}, R"(\b(?:vc[pkiar]|vercel_blob_rw)_[A-Za-z0-9]{8})", R"(\b(vc[pkiar]_[A-Za-z0-9]{24,}|vercel_blob_rw_[A-Za-z0-9]{8,}_[A-Za-z0-9]{20,}))", Judged::entropy},
    {{"netlify-token", "a token of Netlify"}, R"(\bnf[pcoub]_[A-Za-z0-9]{8})", R"(\b(nf[pcoub]_[A-Za-z0-9]{36,}))"},
    {{"supabase-key", "a secret key or access token of Supabase"}, R"(\bsbp_[a-z0-9]{5}|\bsb_secret_[A-Za-z0-9_-]{8})", R"(\b(sbp_(?:oauth_)?[a-f0-9]{40,}|sb_secret_[A-Za-z0-9_-]{20,}))"},
    {{"planetscale-token", "a password or token of PlanetScale"}, R"(\bpscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-])", R"(\b(pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{32,}))"},
    {{"neon-key", "an API key of Neon"}, R"(\bnapi_[a-z0-9]{8})", R"(\b(napi_[a-z0-9]{60,}))"},
    {{"databricks-token", "a token of Databricks"}, R"(\bdapi[0-9a-f]{8})", R"(\b(dapi[0-9a-f]{32}(?:-[0-9])?)\b)"},
    {{"vault-token", "a token of HashiCorp Vault"}, R"(\bhv[sbr]\.[A-Za-z0-9_-]{8})", R"(\b(hv[sbr]\.[A-Za-z0-9_-]{24,}))", Judged::entropy},
    {{"terraform-cloud-token", "a token of HCP Terraform"}, R"(\.atlasv1\.[A-Za-z0-9_-]{8})", R"(\b([A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_-]{60,}))"},
    {{"pulumi-token", "an access token of Pulumi"}, R"(\bpul-[a-f0-9]{8})", R"(\b(pul-[a-f0-9]{40})\b)"},
    {{"tailscale-key", "a key of Tailscale"}, R"(\btskey-[a-z]+-[A-Za-z0-9])", R"(\b(tskey-[a-z]+-[A-Za-z0-9]{8,}-[A-Za-z0-9]{16,}))"},
    {{"doppler-token", "a token of Doppler"}, R"(\bdp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9])", R"(\b(dp\.(?:pt|st|ct|sa|scim|audit)\.(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,}))"},
    {{"1password-secret-key", "an account's secret key of 1Password"}, R"(\bA3-[A-Z0-9]{6}-[A-Z0-9]{5})",
     R"(\b(A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5})\b)"},

    // Models and what agents use.
    {{"anthropic-key", "an API, admin or OAuth key of Anthropic"}, R"(\bsk-ant-[a-z0-9]+-[A-Za-z0-9_-]{8})", R"(\b(sk-ant-[a-z]+[0-9]{0,2}-[A-Za-z0-9_-]{60,}))"},
    {{"openrouter-key", "an API key of OpenRouter"}, R"(\bsk-or-v1-[a-f0-9]{8})", R"(\b(sk-or-v1-[a-f0-9]{64}))"},
    {{"openai-key", "an API key of OpenAI: project, service account, admin, legacy"}, R"(\bsk-(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{8}|T3BlbkFJ[A-Za-z0-9])",
     R"(\b(sk-(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{40,}|sk-[A-Za-z0-9_-]{20,}T3BlbkFJ[A-Za-z0-9_-]{20,}))", Judged::entropy},
    {{"sk-key", "a key of the form sk-..., as several providers of models make them"}, R"(\bsk-(?:[A-Za-z0-9]{12}|lf-[a-f0-9]{8}))",
     R"(\b(sk-(?:[A-Za-z0-9]{32,}|lf-[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}))\b)", Judged::entropy},
    {{"huggingface-token", "a token of Hugging Face"}, R"(\b(?:hf|api_org)_[A-Za-z0-9]{8})", R"(\b((?:hf|api_org)_[A-Za-z0-9]{30,})\b)"},
    {{"groq-key", "an API key of Groq"}, R"(\bgsk_[A-Za-z0-9]{8})", R"(\b(gsk_[A-Za-z0-9]{40,}))"},
    {{"xai-key", "an API key of xAI"}, R"(\bxai-[A-Za-z0-9]{8})", R"(\b(xai-[A-Za-z0-9]{60,}))"},
    {{"replicate-token", "a token of Replicate"}, R"(\br8_[A-Za-z0-9]{8})", R"(\b(r8_[A-Za-z0-9]{37,})\b)"},
    {{"perplexity-key", "an API key of Perplexity"}, R"(\bpplx-[A-Za-z0-9]{12})", R"(\b(pplx-[A-Za-z0-9]{40,}))", Judged::entropy},
    {{"nvidia-key", "an API key of NVIDIA"}, R"(\bnvapi-[A-Za-z0-9_-]{8})", R"(\b(nvapi-[A-Za-z0-9_-]{50,}))"},
    {{"cerebras-key", "an API key of Cerebras"}, R"(\bcsk-[a-z0-9]{8})", R"(\b(csk-[a-z0-9]{40,}))", Judged::entropy},
    {{"pinecone-key", "an API key of Pinecone"}, R"(\bpcsk_[A-Za-z0-9_]{8})", R"(\b(pcsk_[A-Za-z0-9_]{40,}))"},
    {{"langsmith-key", "an API key of LangSmith"}, R"(\blsv2_(?:pt|sk)_[a-f0-9])", R"(\b(lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10})\b)"},
    {{"tavily-key", "an API key of Tavily"}, R"(\btvly-[A-Za-z0-9-]{8})", R"(\b(tvly-(?:(?:dev|prod)-)?[A-Za-z0-9]{20,}))", Judged::entropy},
    {{"elevenlabs-key", "an API key of ElevenLabs"}, R"(\bsk_[a-f0-9]{12})", R"(\b(sk_[a-f0-9]{48})\b)"},
    {{"e2b-key", "an API key of E2B"}, R"(\be2b_[a-f0-9]{8})", R"(\b(e2b_[a-f0-9]{40})\b)"},

    // Messages and mail.
    {{"slack-token", "a token of Slack"}, R"(\bxox[abceoprsd][.-][A-Za-z0-9-]{4}|\bxapp-[0-9]-[A-Z0-9])",
     R"(\b(xox[abceoprsd](?:\.xox[bp])?-[A-Za-z0-9%-]{24,}|xapp-[0-9]-[A-Z0-9]+-[0-9]+-[a-f0-9]{20,}))", Judged::entropy},
    {{"slack-webhook", "an incoming webhook of Slack"}, R"(hooks\.slack\.com/[a-z]+/[A-Za-z0-9])",
     R"(hooks\.slack\.com/((?:services|workflows|triggers)/[A-Za-z0-9]{6,}/[A-Za-z0-9/]{20,}))"},
    {{"discord-webhook", "a webhook of Discord"}, R"(discord(?:app)?\.com/api/(?:v[0-9]+/)?webhooks/[0-9])",
     R"(discord(?:app)?\.com/api/(?:v[0-9]+/)?webhooks/[0-9]{16,20}/([A-Za-z0-9_-]{60,}))"},
    {{"teams-webhook", "an incoming webhook of Microsoft Teams"}, R"(\.webhook\.office\.com/webhookb2/[a-f0-9])",
     R"(\.webhook\.office\.com/webhookb2/([a-f0-9-]{36}@[a-f0-9-]{36}/IncomingWebhook/[a-f0-9]{32}/[a-f0-9-]{36}))"},
    // The first part is a decimal id in base64: three digits make one of these groups of four.
    {{"discord-bot-token", "a token of a Discord bot"}, R"(\b(?:[MNO][DTjz][AEIMQUYcgk][wxyz0-5]){2})",
     R"(\b((?:[MNO][DTjz][AEIMQUYcgk][wxyz0-5]){5,6}[A-Za-z0-9]{0,3}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,}))"},
    {{"telegram-bot-token", "a token of a Telegram bot"}, R"([0-9]{8}:AA[A-Za-z0-9_-]{8})", R"(\b([0-9]{8,10}:AA[A-Za-z0-9_-]{33})(?:[^A-Za-z0-9_-]|$))"},
    {{"sendgrid-key", "an API key of SendGrid"}, R"(\bSG\.[A-Za-z0-9_-]{8})", R"(\b(SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,}))", Judged::entropy},
    {{"twilio-key", "an API key of Twilio"}, R"(\bSK[0-9a-f]{12})", R"(\b(SK[0-9a-f]{32})\b)"},
    {{"mailgun-key", "a key of Mailgun"}, R"(\bkey-[0-9a-f]{8}|[0-9a-f]{4}-[0-9a-f]{8}-[0-9a-f]{8}\b)",
     R"(\b(key-[0-9a-f]{32}|[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8})\b)"},
    {{"mailchimp-key", "an API key of Mailchimp"}, R"([0-9a-f]{8}-us[0-9])", R"(\b([0-9a-f]{32}-us[0-9]{1,2})\b)"},
    {{"brevo-key", "an API key of Brevo"}, R"(\bxkeysib-[a-f0-9])", R"(\b(xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}))"},
    {{"resend-key", "an API key of Resend"}, R"(\bre_[A-Za-z0-9]{8}_[A-Za-z0-9]{8})", R"(\b(re_[A-Za-z0-9]{8}_[A-Za-z0-9]{20,})\b)", Judged::entropy},

    // Payment and commerce.
    {{"stripe-key", "a secret or restricted key of Stripe, or one of those who make the like"}, R"(\b[sr]k_(?:test|live|prod)_[A-Za-z0-9])",
     R"(\b([sr]k_(?:test|live|prod)_[A-Za-z0-9]{16,}))"},
    {{"webhook-secret", "a signing secret of webhooks, whsec_..."}, R"(\bwhsec_[A-Za-z0-9+/]{8})", R"(\b(whsec_[A-Za-z0-9+/]{24,}={0,2}))"},
    {{"shopify-token", "a token of Shopify"}, R"(\bshp[a-z]{1,3}_[a-fA-F0-9]{8})", R"(\b(shp(?:at|ca|pa|ss|tka|ua)_[a-fA-F0-9]{32})\b)"},
    {{"square-token", "a token of Square"}, R"(\bsq0[a-z]{3}-[A-Za-z0-9_-]{8})", R"(\b(sq0(?:atp|csp)-[A-Za-z0-9_-]{22,}))"},

    // Registries.
    {{"npm-token", "a token of npm"}, R"(\bnpm_[A-Za-z0-9]{12})", R"(\b(npm_[A-Za-z0-9]{36,})\b)"},
    {{"pypi-token", "a token of PyPI"}, R"(\bpypi-AgE[A-Za-z0-9])", R"(\b(pypi-AgE[A-Za-z0-9_-]{50,}))"},
    {{"rubygems-key", "an API key of RubyGems"}, R"(\brubygems_[a-f0-9]{8})", R"(\b(rubygems_[a-f0-9]{48})\b)"},
    {{"crates-token", "a token of crates.io"}, R"(\bcio[A-Za-z0-9]{29})", R"(\b(cio[A-Za-z0-9]{32})\b)"},
    {{"nuget-key", "an API key of NuGet"}, R"(\boy2[a-z0-9]{12})", R"(\b(oy2[a-z0-9]{43})\b)"},
    {{"docker-hub-token", "an access token of Docker Hub"}, R"(\bdckr_[po]at_[A-Za-z0-9_-])", R"(\b(dckr_[po]at_[A-Za-z0-9_-]{27,}))"},

    // Observation and work.
    {{"grafana-token", "a token of Grafana"}, R"(\bgls?a?c?_[A-Za-z0-9+/]{12}|\beyJrIjoi[A-Za-z0-9]{8})",
     R"(\b(glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}|glc_[A-Za-z0-9+/]{32,}={0,3}|eyJrIjoi[A-Za-z0-9]{60,}={0,2}))"},
    {{"newrelic-key", "a key of New Relic"}, R"(\bNR(?:AK|II|RA)-[A-Za-z0-9_-]{8}|[a-f0-9]{8}NRAL)", R"(\b(NRAK-[A-Z0-9]{27}|NRII-[A-Za-z0-9_-]{32}|NRRA-[a-f0-9]{42}|[a-f0-9]{36}NRAL))"},
    {{"dynatrace-token", "a token of Dynatrace"}, R"(\bdt0[a-z][0-9]{2}\.[A-Z0-9]{8})", R"(\b(dt0[a-z][0-9]{2}\.[A-Z0-9]{24}\.[A-Z0-9]{64}))"},
    {{"notion-token", "a token of Notion"}, R"(\bntn_[A-Za-z0-9]{8}|\bsecret_[A-Za-z0-9]{16})", R"(\b(ntn_[A-Za-z0-9]{40,}|secret_[A-Za-z0-9]{43})\b)", Judged::entropy},
    {{"postman-key", "an API key of Postman"}, R"(\bPMAK-[a-f0-9]{8})", R"(\b(PMAK-[a-f0-9]{24}-[a-f0-9]{34})\b)"},
    {{"airtable-token", "a token of Airtable"}, R"(\bpat[A-Za-z0-9]{14}\.[a-f0-9])", R"(\b(pat[A-Za-z0-9]{14}\.[a-f0-9]{64})\b)"},
    {{"figma-token", "a token of Figma"}, R"(\bfig[dou]r?_[A-Za-z0-9_-]{8})", R"(\b(fig(?:d|o|ur|u)_[A-Za-z0-9_-]{40,}))"},
    {{"okta-token", "a token of Okta in its header"}, R"(\bSSWS[ \t]+[A-Za-z0-9_-]{8})", R"(\bSSWS[ \t]+(00[A-Za-z0-9_-]{38,}))"},
    {{"dropbox-token", "an access token of Dropbox"}, R"(\bsl\.[A-Za-z0-9_-]{16})", R"(\b(sl\.(?:u\.)?[A-Za-z0-9_-]{120,}))"},
    {{"mapbox-token", "a secret token of Mapbox"}, R"(\bsk\.eyJ[A-Za-z0-9])", R"(\b(sk\.eyJ[A-Za-z0-9_-]{40,}\.[A-Za-z0-9_-]{20,}))"},
    {{"artifactory-token", "an API key or reference token of JFrog"}, R"(\bAKCp[0-9][A-Za-z0-9]{8}|\bcmVmdGtu[A-Za-z0-9]{8})", R"(\b(AKCp[0-9][A-Za-z0-9]{60,}|cmVmdGtu[A-Za-z0-9]{50,}))"},

    // By the place where it stands.
    {{"url-userinfo", "a password or token before the host of a URL"}, R"(://[^\s/?#@"'<>]+@[^\s])",
     R"([A-Za-z][A-Za-z0-9+.-]*://[^\s/?#@:"'<>]*:([^\s/?#@"'<>]+)@[^\s"'])", Judged::password},
    {{"url-token", "a token in place of the user of an HTTP URL"}, R"(https?://[^\s/?#@:"'<>]{12}[^\s/?#@:"'<>]*@[^\s])",
     R"(https?://([^\s/?#@:"'<>]{16,})@[^\s"'])", Judged::url_user},
    {{"url-query-secret", "a token, key or signature in the query of a URL"},
     R"([?&](?i:[a-z_.-]*(?:token|key|secret|passw(?:or)?d|pwd|sig|signature|auth|credential|code))=[^\s&#"'$<{(\[][^\s&#"'$]{7})",
     R"([?&](?i:[a-z_.-]*(?:token|api_?key|secret|passw(?:or)?d|pwd|sig|signature|auth)|key|access_key)=([^\s&#"'`<>]{8,}))", Judged::named},
    {{"authorization-header", "the value of an Authorization header"}, R"(\b(?i:bearer|basic)[ \t]+[A-Za-z0-9._~+/-]{12}|(?i:authorization)["']?[ \t]*[:=][ \t]*["']?(?i:token|apikey)[ \t]+[A-Za-z0-9])",
     R"((?:\b(?i:bearer|basic)|(?i:authorization)["']?[ \t]*[:=][ \t]*["']?(?i:token|apikey))[ \t]+([A-Za-z0-9._~+/-]{12,}={0,2}))", Judged::named},
    {{"command-line-password", "a user and a password among the arguments of curl, sshpass or a login, or in .netrc"},
     R"((?:\bcurl\b.*[ \t](?:-u|--user)[ =]?["']?[^\s"'$:]|\bsshpass[ \t]+-p|\blogin\b.*[ \t]-p[ =]?["']?[^\s"'$]|\bpassword[ \t]+[^\s"'$]))",
     R"((?:\bcurl\b.*[ \t](?:-u|--user)[ =]?["']?[^\s"':]+:|\bsshpass[ \t]+-p[ ]?["']?|\blogin[ \t].*[ \t]-p[ =]?["']?|\blogin[ \t]+\S+[ \t]+password[ \t]+)([^\s"'`|;]{6,}))", Judged::password},
};
// clang-format on

std::span<const FormRule> form_rules() {
    return rules;
}

} // namespace sandboxkit::secrets
