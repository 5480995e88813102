// SPDX-License-Identifier: Apache-2.0
#include "conformance/subject.hpp"

#include "providers/local/local_provider.hpp"

#include <csignal>
#include <fstream>

#include <unistd.h>

namespace sandboxkit::test {
namespace {

class LocalSubject final : public Subject {
public:
    explicit LocalSubject(const std::filesystem::path& directory) : directory_(directory), pool_(4) {
        made_ = local::make_local_provider({directory / "state", SANDBOXKIT_GUEST_PROGRAM, ""}, pool_);
    }
    ~LocalSubject() override {
        made_ = Error{};
        pool_.join();
    }
    LocalSubject(const LocalSubject&) = delete;
    LocalSubject& operator=(const LocalSubject&) = delete;

    [[nodiscard]] const Result<std::shared_ptr<Provider>>& made() const { return made_; }
    [[nodiscard]] std::shared_ptr<Provider> provider() const override { return *made_; }
    void end_compute(const std::string& sandbox_id) override {
        std::ifstream file(directory_ / "state/sandboxes" / sandbox_id / "pid");
        pid_t guest = 0;
        if (file >> guest && guest > 1) ::kill(guest, SIGKILL);
    }

private:
    std::filesystem::path directory_;
    async::Pool pool_;
    Result<std::shared_ptr<Provider>> made_ = Error{};
};

} // namespace

std::unique_ptr<Subject> make_local_subject(const std::filesystem::path& directory, std::string& why) {
    if (::geteuid() != 0) {
        why = "root privileges are needed";
        return nullptr;
    }
    auto subject = std::make_unique<LocalSubject>(directory);
    if (subject->made().has_value()) return subject;
    why = subject->made().error().message;
    return nullptr;
}

} // namespace sandboxkit::test
