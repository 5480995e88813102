// SPDX-License-Identifier: Apache-2.0
#include "bench/in_sandbox.hpp"

#include "bench/figures.hpp"

#include "async/blocking.hpp"
#include "net/loop.hpp"
#include "providers/local/local_provider.hpp"

namespace sandboxkit::bench {

static Endpoint endpoint_of(const std::filesystem::path& state, const std::string& sandbox) {
    async::Pool pool(1);
    auto provider = must(local::make_local_provider({state / "local", SANDBOXKIT_GUEST_BUILD_PATH, ""}, pool));
    test::Loop loop;
    auto endpoint = must(loop.run(provider->endpoint(sandbox)));
    pool.join();
    return endpoint;
}

BenchSession::BenchSession(Engine& e, const Principal& w, const std::string& profile, const std::filesystem::path& state)
    : engine(e), who(w) {
    const auto session = must(engine.start_session(who, {profile, {}, "", {}, {}}).get());
    id = session.id;
    endpoint = endpoint_of(state, session.sandbox_id);
}

BenchSession::~BenchSession() {
    (void)engine.remove_session(who, id).get();
}

} // namespace sandboxkit::bench
