// SPDX-License-Identifier: Apache-2.0
// What an Engine is inside. For the files of the face only.
#pragma once

#include "engine/context.hpp"
#include "engine/permissions.hpp"

#include <memory>
#include <utility>

namespace sandboxkit {

class Engine::Impl {
public:
    explicit Impl(std::shared_ptr<engine::Context> c) : context(std::move(c)) {}
    ~Impl() { context->close(); }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    // Starts an operation, or one that has failed already because the principal has no scope for it.
    template <class T, class Make>
    Operation<T> run(Action action, const Principal& who, Make make) {
        if (auto ok = engine::check_scopes(action, who); !ok) return engine::failed_operation<T>(ok.error());
        return context->run<T>(make(*context));
    }

    std::shared_ptr<engine::Context> context;
};

} // namespace sandboxkit
