// SPDX-License-Identifier: Apache-2.0
// A local provider on a fresh state directory, called synchronously, that leaves nothing behind.
#pragma once

#include "providers/local/local_provider.hpp"

#include "local/leftovers.hpp"
#include "local/runtime/guest_exec.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sandboxkit::test {

void report_error(const Error& error);

// Runs an operation of a provider to its end.
template <class T>
Result<T> wait_for(Task<T> task) {
    boost::asio::io_context context;
    std::optional<Result<T>> result;
    boost::asio::co_spawn(context, std::move(task), [&](std::exception_ptr failure, Result<T> value) {
        if (failure) std::rethrow_exception(failure);
        result = std::move(value);
    });
    context.run();
    return std::move(*result);
}

// Whether it succeeded; says why not.
template <class T>
bool succeeded(const Result<T>& result) {
    if (!result) report_error(result.error());
    return result.has_value();
}

// "SKIPPED: <reason>" and 77 when this host lacks what every test here needs. 0: go on.
int check_host();
// The same for what only some of them need; empty: go on.
std::string missing(const std::vector<std::string>& programs);

class LocalFixture {
public:
    LocalFixture();
    LocalFixture(const LocalFixture&) = delete;
    LocalFixture& operator=(const LocalFixture&) = delete;
    // Destroys every sandbox and removes the state directory.
    ~LocalFixture();

    [[nodiscard]] Provider& provider() const { return *provider_; }
    [[nodiscard]] const std::filesystem::path& state() const { return state_; }
    [[nodiscard]] Leftovers leftovers() const { return Leftovers(state_); }
    // Another provider on the same directory, as another process would have.
    void reopen();

    // An image with the shell, /usr of the host, and the test's own program as /opt/probe.
    std::string image();
    // A request for a sandbox of it.
    CreateRequest request(const std::string& token, Egress egress = Egress::none);
    // Created and started; fails the test otherwise. Its id.
    std::string start(const CreateRequest& request);
    [[nodiscard]] std::filesystem::path socket(const std::string& id) const;

    static std::filesystem::path guest_program();
    static std::filesystem::path probe_program();

private:
    std::filesystem::path state_;
    std::unique_ptr<async::Pool> pool_;
    std::shared_ptr<Provider> provider_;
    std::string image_;
};

} // namespace sandboxkit::test
