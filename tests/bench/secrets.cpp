// SPDX-License-Identifier: Apache-2.0
// The baseline is RE2 itself, which reads the same bytes with one pattern that never matches and has no literal to jump to:
// what one look at each byte costs, without any rule.
#include "bench/secrets.hpp"

#include "bench/figures.hpp"

#include <sandboxkit/secrets.hpp>

#include <re2/re2.h>

#include <array>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

namespace sandboxkit::bench {

namespace {

constexpr std::size_t script_bytes = 200'000;
constexpr int value_count = 1000;

// A set-up script as people write them: comments, packages, downloads with digests, variables that hold tokens.
std::string ordinary_script() {
    static constexpr std::string_view lines[] = {
        "# Tools that the tests need, none of which is in the base image.\n",
        "apt-get update && apt-get install -y --no-install-recommends build-essential cmake ninja-build pkg-config\n",
        "curl -fsSL https://downloads.example.com/tool/v1.24.3/tool-linux-amd64.tar.gz -o /tmp/tool.tar.gz\n",
        "echo \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08  /tmp/tool.tar.gz\" | sha256sum -c -\n",
        "tar -C /usr/local -xzf /tmp/tool.tar.gz --strip-components=1 && rm /tmp/tool.tar.gz\n",
        "if [ -z \"${API_TOKEN:-}\" ]; then\n    echo \"API_TOKEN is not set; going on without\" >&2\nfi\n",
        "curl -H \"Authorization: Bearer $API_TOKEN\" https://api.example.com/v1/projects?page=2 | jq -r '.items[].name'\n",
        "export PATH=/usr/local/tool/bin:$PATH NODE_OPTIONS=--max-old-space-size=4096 LANG=C.UTF-8\n",
        "git clone --depth 1 --branch main https://github.com/example/project.git /workspace/project\n",
        "cd /workspace/project && npm ci --no-audit --no-fund && npm run build --if-present\n",
        "for directory in services/*/; do\n    (cd \"$directory\" && make install DESTDIR=/opt/services)\ndone\n",
        "python3 -m venv /opt/venv && /opt/venv/bin/pip install --no-cache-dir -r requirements.txt\n",
        "cat > /etc/example.conf <<'EOF'\nlog_level = info\nlisten = 127.0.0.1:8080\npassword_file = "
        "/run/secrets/database\nEOF\n",
    };
    std::string out;
    for (std::size_t i = 0; out.size() < script_bytes; ++i) out += lines[i % std::size(lines)];
    return out;
}

using Values = std::vector<std::pair<std::string, std::string>>;

Values ordinary_values() {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 12> some{{
        {"LANG", "C.UTF-8"},
        {"LOG_LEVEL", "info"},
        {"AWS_REGION", "eu-west-1"},
        {"DATABASE_URL", "postgres://app@db.internal:5432/app?sslmode=verify-full"},
        {"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
        {"PASSWORD_FILE", "/run/secrets/database"},
        {"API_TOKEN", "${API_TOKEN}"},
        {"TENANT_ID", "1b4e28ba-2fa1-41d2-883f-0016d3cca427"},
        {"IMAGE", "ghcr.io/example/app@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
        {"MAX_TOKENS", "4096"},
        {"FEATURES", "search,billing,new-dashboard"},
        {"GIT_COMMIT", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
    }};
    Values out;
    for (int i = 0; i < value_count; ++i) {
        const auto& [name, value] = some[static_cast<std::size_t>(i) % some.size()];
        out.emplace_back(name, value);
    }
    return out;
}

void nothing_found(const std::optional<SecretFinding>& found) {
    if (found) throw std::runtime_error("ordinary text was taken for a credential, rule " + found->rule);
}

} // namespace

void bench_secrets(int samples) {
    const std::string script = ordinary_script();
    const Values values = ordinary_values();
    std::uint64_t value_bytes = 0;
    for (const auto& [name, value] : values) value_bytes += value.size();
    RE2::Options bytes;
    bytes.set_encoding(RE2::Options::EncodingLatin1);
    const RE2 never(R"([\x01-\x08]{2})", bytes);
    const auto read = [&](std::string_view text) {
        if (RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), never))
            throw std::runtime_error("the baseline matched");
    };

    Samples in_script, script_baseline, in_values, values_baseline;
    const auto first = timed([] { (void)find_secret("NAME", "value"); });
    for (int i = -1; i < samples; ++i) {
        const auto a = timed([&] { nothing_found(find_secret("setup_script", script)); });
        const auto b = timed([&] { read(script); });
        const auto c = timed([&] {
            for (const auto& [name, value] : values) nothing_found(find_secret(name, value));
        });
        const auto d = timed([&] {
            for (const auto& [name, value] : values) read(value);
        });
        if (i < 0) continue;
        in_script.add(a), script_baseline.add(b), in_values.add(c), values_baseline.add(d);
    }
    std::printf("looking for credentials in ordinary text (the first call, which compiles the rules: %.1f ms)\n", first.count());
    rate("sandboxkit: a script of 200 kB", in_script, script.size(), "200");
    rate("RE2, one pattern that never matches", script_baseline, script.size(), "-");
    ratio("sandboxkit / RE2, time", in_script.percentile(0.5) / script_baseline.percentile(0.5), "-");
    rate("sandboxkit: 1000 short values with names", in_values, value_bytes, "-");
    rate("RE2, one pattern that never matches", values_baseline, value_bytes, "-");
    ratio("sandboxkit / RE2, time", in_values.percentile(0.5) / values_baseline.percentile(0.5), "-");
}

} // namespace sandboxkit::bench
