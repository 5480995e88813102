// SPDX-License-Identifier: Apache-2.0
// Credentials here are put together from parts, so that this file has none that a scanner would take for one.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <sandboxkit/secrets.hpp>
#include <sandboxkit/strict_json.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <time.h>

using namespace sandboxkit;

namespace {

constexpr std::string_view letters_and_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

std::string random_text(std::size_t size, std::string_view alphabet = letters_and_digits, unsigned seed = 7) {
    std::mt19937 random(seed);
    std::string out(size, ' ');
    for (char& c : out) c = alphabet[random() % alphabet.size()];
    return out;
}
std::string hex(std::size_t size, unsigned seed = 7) {
    return random_text(size, "0123456789abcdef", seed);
}
std::string github_token() {
    return "ghp" + ("_" + random_text(36));
}

std::string rule_of(std::string_view name, std::string_view value) {
    const auto found = find_secret(name, value);
    return found ? found->rule : "";
}

std::vector<Problem> problems_of(std::string_view json) {
    return find_secrets(parse_strict(json).value());
}

} // namespace

TEST_CASE("a credential is found bare, in a text, in a URL and in quotes, and its length is told") {
    const auto token = github_token();
    CHECK(find_secret("", token) == SecretFinding{"github-token", 40});
    CHECK(find_secret("", "\"" + token + "\"") == SecretFinding{"github-token", 40});
    CHECK(find_secret("", "https://x:" + token + "@github.com/a/b") == SecretFinding{"github-token", 40});
    CHECK(find_secret("", "# one\nexport GH=" + token + "\n# three\n") == SecretFinding{"github-token", 40});
    CHECK(find_secret("", "printf 'a\\n" + token + "'") == SecretFinding{"github-token", 40});
    CHECK(find_secret("", "line one\r\n" + token) == SecretFinding{"github-token", 40});
}

TEST_CASE("the forms of GitHub's app tokens") {
    const auto part = random_text(60);
    CHECK(rule_of("", "ghs_" + random_text(36)) == "github-token");
    CHECK(rule_of("", "ghs_123456_eyJ" + part + ".eyJ" + part + "." + random_text(80, "abcXYZ019-_")) == "github-token");
}

TEST_CASE("boundaries") {
    const auto key = "AKIA" + random_text(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");
    CHECK(rule_of("", key) == "aws-access-key-id");
    CHECK(rule_of("", "id=" + key + ";") == "aws-access-key-id");
    CHECK(rule_of("", "A" + key) == "");
    CHECK(rule_of("", key + "A") == "");
    CHECK(rule_of("", "x_" + key) == "");
    CHECK(rule_of("", "ghp_" + random_text(20)) == ""); // too short
    CHECK(rule_of("", "task-risk-disk-" + random_text(12)) == "");
    CHECK(rule_of("", "sk-learn-contrib-something-of-many-words") == "");
    CHECK(rule_of("", "glagent-configuration-for-the-staging-cluster") == "");
}

TEST_CASE("references and placeholders are no credentials") {
    for (const char* value : {"${API_TOKEN}",
                              "$API_TOKEN",
                              "$(cat /run/secrets/token)",
                              "{env:API_TOKEN}",
                              "{{ .Values.token }}",
                              "${{ secrets.TOKEN }}",
                              "<your token>",
                              "<token>",
                              "%TOKEN%",
                              "changeme",
                              "changeit",
                              "xxxxxxxxxxxxxxxx",
                              "XXXX-XXXX-XXXX-XXXX",
                              "your-token-here",
                              "your_api_key",
                              "example-token-1a2b3c",
                              "op://vault/item/field",
                              "vault:secret/data/app#token",
                              "process.env.API_TOKEN",
                              "os.environ[\"API_TOKEN\"]",
                              "getenv('API_TOKEN_1')",
                              "********",
                              "................",
                              "[REDACTED]",
                              "replace-me-1a2b3c4d",
                              "true",
                              "null",
                              "none",
                              "",
                              "4096",
                              "3600s",
                              "/run/secrets/api-token",
                              "./token.txt",
                              "~/.config/token",
                              "C:\\secrets\\t.txt",
                              "https://id.acme.dev/token",
                              "oauth2",
                              "my-app-token",
                              "ProductionDatabaseToken",
                              "arn:aws:kms:eu-west-1:1:key/1",
                              "ENC[AES256_GCM,data:Zm9v,iv:YmFy]",
                              "projects/p/secrets/s/versions/1",
                              "prod/db/password"}) {
        INFO(value);
        CHECK(rule_of("API_TOKEN", value) == "");
        CHECK(rule_of("", "export API_TOKEN=" + std::string(value)) == "");
    }
    CHECK(rule_of("", "ghp_" + std::string(36, 'x')) == "");
    CHECK(rule_of("", std::string("AKIAIOSFODNN7") + "EXAMPLE") == "");
    CHECK(rule_of("", "postgres://app:${DB_PASSWORD}@db/app") == "");
    CHECK(rule_of("", "postgres://app:$DB_PASSWORD@db/app") == "");
    CHECK(rule_of("", "https://user:password@host/") == "");
    CHECK(rule_of("", "https://user:<password>@host/") == "");
}

TEST_CASE("names: only the last word that means something counts") {
    const auto value = random_text(24);
    for (const char* name : {"API_KEY", "apiKey", "api-key", "DB_PASSWORD", "dbPassword", "PGPASSWORD", "CLIENT_SECRET", "token",
                             "TOKEN2", "TOKEN_PROD", "SECRET_KEY_BASE", "acme.auth.token", "GITHUB_PAT", "private_key",
                             "HTTPAuthToken", "_authToken", "JWT_SECRET_V2", "MY_CREDENTIALS"}) {
        INFO(name);
        CHECK(rule_of(name, value) == "generic-secret");
    }
    for (const char* name : {"TOKEN_LIMIT",     "PASSWORD_FILE",   "SECRET_NAME", "KEY_ID",
                             "TOKENIZER",       "AUTH_MODE",       "PUBLIC_KEY",  "CACHE_KEY",
                             "MONKEY",          "SECRETARY",       "BYPASS",      "COMPASS",
                             "NEXT_PAGE_TOKEN", "PUBLISHABLE_KEY", "VALUE",       "",
                             "tokens_sha256",   "ACCESS_KEY_ID",   "PATH",        "AUTHOR"}) {
        INFO(name);
        CHECK(rule_of(name, value) == "");
    }
}

TEST_CASE("passwords of people") {
    for (const char* value : {"Summer2024", "hunter2", "S3cret!pass", "correct-Horse7!", "Tr0ub4dor&3"}) {
        INFO(value);
        CHECK(rule_of("DB_PASSWORD", value) == "generic-secret");
    }
    for (const char* value : {"postgres", "password", "root", "prod-db-password", "ask the administrator"}) {
        INFO(value);
        CHECK(rule_of("DB_PASSWORD", value) == "");
    }
}

TEST_CASE("providers that only a name tells") {
    CHECK(rule_of("AWS_SECRET_ACCESS_KEY", "/" + random_text(38) + "+") == "aws-secret-access-key");
    CHECK(rule_of("", "aws_secret_access_key = " + random_text(39) + "/") == "aws-secret-access-key");
    CHECK(rule_of("DD_API_KEY", hex(32)) == "datadog-key");
    CHECK(rule_of("CLOUDFLARE_API_TOKEN", random_text(40)) == "cloudflare-key");
    CHECK(rule_of("HEROKU_API_KEY", hex(8) + "-" + hex(4) + "-4" + hex(3) + "-a" + hex(3) + "-" + hex(12)) == "heroku-key");
    CHECK(rule_of("HEROKU_APP_ID", hex(8) + "-" + hex(4) + "-4" + hex(3) + "-a" + hex(3) + "-" + hex(12)) == "");
}

TEST_CASE("assignments in texts") {
    const auto value = random_text(28);
    for (const std::string& line :
         {"export API_KEY=" + value, "api_key: " + value, "\"apiKey\": \"" + value + "\",",
          "{\\\"apiKey\\\": \\\"" + value + "\\\"}", "config['api_key'] = '" + value + "'", "tool --api-key " + value,
          "tool --api-key=" + value + " x", "<password>" + value + "</password>", "//registry.npmjs.org/:_authToken=" + value,
          "machine h login u password " + value, "curl -H 'X-Api-Key: " + value + "' https://h/",
          "curl -u admin:" + value + " https://h/", "sshpass -p " + value + " ssh h",
          "docker login -u a -p " + value + " r.acme.dev", "Authorization: Bearer " + value,
          "https://h/p?x=1&access_token=" + value + "&y=2", "token: PASSWORD=" + value, "secret := `" + value + "`"}) {
        INFO(line);
        CHECK(rule_of("", line) != "");
        CHECK(rule_of("setup_script", "set -e\n" + line + "\nmake\n") != "");
    }
    for (const char* line :
         {"password: the one of the vault", "The token: an opaque string.", "secret = \"several words in here 1A\"",
          "if [ \"$TOKEN\" = x ]; then", "TOKEN=\"$(vault read -field=t secret/x)\"", "password = getpass.getpass()",
          "sed 's/password = .*/password = $PASSWORD/'", "curl -u \"$USER:$PASSWORD\" https://h/",
          "docker login --password-stdin < /run/secrets/x", "--password-file /run/secrets/pw1", "Bearer authentication is used",
          "Basic authentication-scheme"}) {
        INFO(line);
        CHECK(rule_of("", line) == "");
    }
}

TEST_CASE("private keys need a body, and public keys are public") {
    const std::string body = random_text(64) + "\n" + random_text(64, letters_and_digits, 8) + "\n", dashes = "-----";
    const auto pem = [&](const std::string& label, const std::string& text) {
        return dashes + "BEGIN " + label + dashes + "\n" + text + dashes + "END " + label + dashes + "\n";
    };
    for (const char* label : {"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "ENCRYPTED PRIVATE KEY",
                              "PGP PRIVATE KEY BLOCK"}) {
        INFO(label);
        CHECK(rule_of("", pem(label, body)) == "private-key");
        CHECK(rule_of("", "cat <<EOF\n" + pem(label, "\n" + body) + "EOF\n") == "private-key");
        CHECK(rule_of("", pem(label, "...\n")) == "");
    }
    std::string in_json = pem("PRIVATE KEY", body);
    for (std::size_t at = 0; (at = in_json.find('\n', at)) != std::string::npos;) in_json.replace(at, 1, "\\n");
    CHECK(rule_of("", "{\"k\": \"" + in_json + "\"}") == "private-key");
    CHECK(rule_of("", pem("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00FF\n\n" + body)) == "private-key");
    for (const char* label : {"PUBLIC KEY", "CERTIFICATE", "PGP PUBLIC KEY BLOCK"}) CHECK(rule_of("", pem(label, body)) == "");
    CHECK(rule_of("", "grep -q 'BEGIN PRIVATE KEY" + dashes + "' f\nsha256sum " + hex(64) + "\n") == "");
}

TEST_CASE("URLs") {
    const auto secret = random_text(20);
    CHECK(find_secret("", "postgres://app:" + secret + "@db:5432/app") == SecretFinding{"url-userinfo", 20});
    CHECK(rule_of("", "redis://:" + secret + "@cache:6379") == "url-userinfo");
    CHECK(find_secret("", "git clone https://" + secret + "@git.acme.dev/a.git") == SecretFinding{"url-token", 20});
    CHECK(rule_of("", "https://h.blob.core.windows.net/c?sv=2022&sig=" + random_text(43) + "%3D") == "azure-sas");
    for (const char* url :
         {"ssh://git@host:22/a.git", "https://user@host/", "https://a.dev:8080/@scope/name", "https://h/?page=2&sort=name",
          "https://h/?key=name", "https://github.com/login/oauth/authorize?client_id=abc", "npm:@scope/x", "mailto:a@b.c"})
        CHECK(rule_of("", url) == "");
    CHECK(rule_of("SENTRY_DSN", "https://" + hex(32) + "@o12.ingest.sentry.io/34") == "");
}

TEST_CASE("clearly random tokens need no name, and what is ordinary is let through") {
    CHECK(rule_of("", random_text(40)) == "random-token");
    CHECK(rule_of("X", random_text(40)) == "random-token");
    CHECK(rule_of("DOCUMENT_ID", random_text(40)) == ""); // the name explains it
    for (const std::string& value :
         {hex(32), hex(40), hex(64), hex(128), "sha512-" + random_text(86) + "==", "h1:" + random_text(43) + "=",
          "Qm" + random_text(44), random_text(64, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), random_text(20)})
        CHECK(rule_of("", value) == "");
}

TEST_CASE("a document: every string, with its pointer, and never the value") {
    const auto token = github_token(), password = random_text(16);
    const auto problems =
        problems_of(R"({"name": "web", "environment": {"GH": ")" + token + R"(", "DB_PASSWORD": ")" + password +
                    R"(", "a/b~c": ")" + token + R"(", "LANG": "C.UTF-8"}, "list": [1, {"name": "API_KEY", "value": ")" +
                    password + R"("}, ["x", ")" + token + R"("]], "tokens": null, "secret": true})");
    std::vector<std::string> pointers;
    for (const auto& problem : problems) {
        pointers.push_back(problem.pointer);
        CHECK(problem.code == "secret_like");
        CHECK(!problem.remedy.empty());
        for (const auto& secret : {token, password})
            for (std::size_t i = 0; i + 6 <= secret.size(); ++i)
                CHECK(problem.message.find(secret.substr(i, 6)) == std::string::npos);
    }
    CHECK(pointers == std::vector<std::string>{"/environment/GH", "/environment/DB_PASSWORD", "/environment/a~1b~0c",
                                               "/list/1/value", "/list/2/1"});
    CHECK(problems.front().message == "the value looks like a credential: rule github-token, 40 bytes");
    CHECK(find_secrets(boost::json::value(boost::json::string(token))).front().pointer == "");
    CHECK(find_secrets(boost::json::value(12)).empty());
}

TEST_CASE("a member whose name is a credential is not shown, nor are those within it") {
    const auto token = github_token();
    const auto problems = problems_of(R"({"environment": {")" + token + R"(": {"DB_PASSWORD": ")" + random_text(16) +
                                      R"("}, "B": ")" + token + R"("}})");
    REQUIRE(problems.size() == 3);
    CHECK(problems[0].pointer == "/environment");
    CHECK(problems[1].pointer == "/environment/DB_PASSWORD");
    CHECK(problems[2].pointer == "/environment/B");
    for (const auto& problem : problems)
        CHECK((problem.pointer + problem.message + problem.remedy).find(token) == std::string::npos);
}

TEST_CASE("a document of nothing but credentials has a report that a person can read") {
    boost::json::array all;
    for (int i = 0; i < 1000; ++i) all.emplace_back(github_token());
    const auto problems = find_secrets(all);
    CHECK(problems.size() == ProblemList::capacity + 1);
    CHECK(problems.back().code == "more_problems");
}

TEST_CASE("rules have stable ids, once each, and a line about them") {
    std::set<std::string_view> ids;
    for (const auto& rule : secret_rules()) {
        CHECK(ids.insert(rule.id).second);
        CHECK(!rule.what.empty());
        CHECK(rule.id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string_view::npos);
    }
    CHECK(ids.size() > 90);
    CHECK(secret_rules().data() == secret_rules().data());
}

TEST_CASE("odd bytes and sizes") {
    CHECK(rule_of("", "") == "");
    CHECK(rule_of("TOKEN", "") == "");
    CHECK(rule_of(std::string(100'000, '_'), "x") == "");
    CHECK(rule_of(std::string(100'000, 'A') + "_TOKEN", random_text(24)) == "generic-secret");
    const std::string nul("\0\xff\xfe", 3);
    CHECK(rule_of("", nul + github_token() + nul) == "github-token");
    CHECK(rule_of("", std::string("\n\n\n")) == "");
    CHECK(rule_of("API_TOKEN", random_text(300'000)) == ""); // nobody's token: a document
}

// Of the processor's time, not of a clock: four times the text takes about four times as much, sixteen if it were quadratic.
TEST_CASE("time is linear in hostile texts, and several megabytes are no matter") {
    const auto repeated = [](std::string_view part, std::size_t size) {
        std::string out;
        out.reserve(size + part.size());
        while (out.size() < size) out += part;
        return out;
    };
    const auto processor_seconds = [] {
        timespec now{};
        ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
    };
    const auto measure = [&](std::string_view text) {
        double best = 1e9;
        for (int i = 0; i < 3; ++i) {
            const double begin = processor_seconds();
            (void)find_secret("TOKEN", text);
            best = std::min(best, processor_seconds() - begin);
        }
        return best;
    };
    const std::array<std::string, 16> parts{
        "a",         "ghs_",         ".ghs_.",        "token=",  "token:",
        "password",  "sk-ant-",      "https://a:",    "eyJeyJ.", "-----BEGIN PRIVATE KEY-----\n",
        "MTIzMTIz",  "PASSWORD=\"x", "token=abcdef ", "://a@",   "Bearer ",
        "curl -u a:"};
    for (const auto& part : parts) {
        const auto small = measure(repeated(part, 20'000)), large = measure(repeated(part, 80'000));
        MESSAGE(part, ": ", 0.08 / large, " MB/s");
        CHECK(large < 10 * small + 0.05);
    }
    const auto noise = random_text(4'000'000, "ghpsk_-eyJ=:/@.AKIAtoken \"'x0123456789");
    (void)find_secret("", noise);
}

TEST_CASE("many threads ask at once, from the first call on") {
    const auto token = github_token();
    std::atomic<int> wrong = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 200; ++i) {
                const auto text = "line " + std::to_string(i) + "\nexport A=" + (i % 2 == t % 2 ? token : "${TOKEN}") + "\n";
                if (find_secret("", text).has_value() != (i % 2 == t % 2)) ++wrong;
                if (secret_rules().empty()) ++wrong;
            }
        });
    for (auto& thread : threads) thread.join();
    CHECK(wrong == 0);
}
