// SPDX-License-Identifier: Apache-2.0
// The border between coroutines that may throw and callers that expect a value.
#pragma once

#include <sandboxkit/error.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include <exception>
#include <utility>

namespace sandboxkit::async {

// Awaits `work` and turns an exception into a value. A coroutine that was set to throw when cancelled (Asio's default)
// throws at its next co_await; that becomes the ErrorClass::cancelled that one gets that was not. Another exception is a defect:
// ErrorClass::internal "exception". The frame of `work`, and all it held, is gone when this completes.
template <class T>
boost::asio::awaitable<Result<T>> without_exceptions(boost::asio::awaitable<Result<T>> work) {
    try {
        auto owned = std::move(work);
        auto result = co_await std::move(owned);
        co_return result;
    } catch (const boost::system::system_error& e) {
        if (e.code() == boost::asio::error::operation_aborted)
            co_return Error{ErrorClass::cancelled, "cancelled", "the operation was cancelled", "", "", {}};
        co_return Error{ErrorClass::internal, "exception", "an unexpected exception", "", e.what(), {}};
    } catch (const std::exception& e) {
        co_return Error{ErrorClass::internal, "exception", "an unexpected exception", "", e.what(), {}};
    } catch (...) {
        co_return Error{ErrorClass::internal, "exception", "an unexpected exception", "", "", {}};
    }
}

} // namespace sandboxkit::async
