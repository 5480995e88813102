// SPDX-License-Identifier: Apache-2.0
// Runs a coroutine of the library to its end on the test's own thread.
#pragma once

#include "async/spawn.hpp"

#include <boost/asio/io_context.hpp>

#include <utility>

namespace sandboxkit::test {

class Loop {
public:
    [[nodiscard]] boost::asio::any_io_executor executor() { return context_.get_executor(); }

    template <class T>
    Operation<T> start(boost::asio::awaitable<Result<T>> task) {
        return async::spawn<T>(executor(), std::move(task));
    }
    // Not until there is no work left: an open stream keeps its timer.
    template <class T>
    Result<T> finish(Operation<T> operation) {
        context_.restart();
        while (!operation.done()) context_.run_one();
        return operation.get();
    }
    template <class T>
    Result<T> run(boost::asio::awaitable<Result<T>> task) {
        return finish(start<T>(std::move(task)));
    }
    boost::asio::io_context& context() { return context_; }

private:
    boost::asio::io_context context_{1};
};

} // namespace sandboxkit::test
