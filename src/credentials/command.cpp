// SPDX-License-Identifier: Apache-2.0
// Credentials of a command, as Git itself asks its helpers.
#include "credentials/command_process.hpp"
#include "credentials/helper_protocol.hpp"

#include <sandboxkit/credential_sources.hpp>

#include <openssl/crypto.h>

#include <algorithm>
#include <cstdlib>

namespace sandboxkit {

namespace {

class CommandSource final : public CredentialSource {
public:
    explicit CommandSource(CredentialCommand command) : command_(std::move(command)) {
        command_.limit = std::clamp<std::chrono::seconds>(command_.limit, std::chrono::seconds(1), std::chrono::seconds(600));
    }

    Result<std::optional<Credential>> credential(const CredentialRequest& request) override {
        auto input = credentials::helper_input(request, command_.path, nullptr);
        if (!input) return std::nullopt;
        auto output = run("get", std::move(*input));
        if (!output) return output.error();
        auto answer = credentials::read_helper_answer(*output);
        ::OPENSSL_cleanse(output->data(), output->size());
        return answer;
    }

    Result<void> release(const CredentialRequest& request, const Credential& credential, CredentialUse use) override {
        if (!use.refused) return {};
        auto input = credentials::helper_input(request, command_.path, &credential);
        if (!input) return {};
        auto output = run("erase", std::move(*input));
        if (!output) return output.error();
        ::OPENSSL_cleanse(output->data(), output->size());
        return {};
    }

private:
    Result<std::string> run(const char* operation, std::string input) const {
        credentials::CommandRun run;
        run.argv = command_.argv;
        run.argv.emplace_back(operation);
        run.environment = {"LC_ALL=C", "GIT_TERMINAL_PROMPT=0"};
        std::vector<std::string> names{"PATH", "HOME", "USER", "LOGNAME"};
        names.insert(names.end(), command_.environment.begin(), command_.environment.end());
        for (const auto& name : names)
            if (const char* const value = std::getenv(name.c_str())) run.environment.push_back(name + "=" + value);
        run.input = std::move(input);
        run.limit = command_.limit;
        auto output = credentials::run_command(run);
        ::OPENSSL_cleanse(run.input.data(), run.input.size());
        return output;
    }

    CredentialCommand command_;
};

} // namespace

std::shared_ptr<CredentialSource> credential_command(CredentialCommand command) {
    return std::make_shared<CommandSource>(std::move(command));
}

} // namespace sandboxkit
