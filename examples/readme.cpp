// SPDX-License-Identifier: Apache-2.0
#include <sandboxkit/engine.hpp>

#include <iostream>

int main() {
    auto engine = sandboxkit::Engine::open({.store = "sandboxes.db"}).value();
    const auto me = sandboxkit::with_every_scope("me");
    const auto profile = engine.create_profile(me, R"({"name": "hello", "setup_script": "echo hello > /root/greeting"})").value();
    const auto version = engine.publish(me, profile.id).get().value(); // frozen, and a snapshot job queued
    engine.wait_for_job(me, version.last_job.value()).get().value();   // the setup script ran, and was captured
    const auto session = engine.start_session(me, {.profile = profile.id}).get().value();
    std::cout << engine.exec(me, session.id, {.argv = {"cat", "/root/greeting"}}).get().value().standard_output;
    engine.remove_session(me, session.id).get().value();
}
