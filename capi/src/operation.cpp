// SPDX-License-Identifier: Apache-2.0
#include "operation.hpp"

#include <sandboxkit/answers_json.hpp>

namespace sandboxkit::capi {

void write_error(sbk_event& event, const Error& error) {
    event.status = static_cast<sbk_status>(error.kind);
    event.set_json(to_json(error));
}

Error cancelled_error() {
    return {ErrorClass::cancelled, "cancelled", "the operation was cancelled", "", "", {}};
}

Pending::~Pending() {
    fail(cancelled_error);
}

bool Pending::fail(const Error& error) noexcept {
    return complete([&](sbk_event& event) { write_error(event, error); });
}

bool Pending::fail(Error (*make)()) noexcept {
    return complete([&](sbk_event& event) { write_error(event, make()); });
}

bool Pending::push(std::unique_ptr<sbk_event> event) noexcept {
    const std::lock_guard lock(mutex_); // gone before the event is, if nobody takes it
    return completion_ && queue_->push(event);
}

std::unique_ptr<sbk_event> Pending::take_completion() noexcept {
    std::function<void()> dropped; // holds the engine's operation: freed without the lock
    const std::lock_guard lock(mutex_);
    dropped.swap(cancel_);
    return std::move(completion_);
}

void Pending::make_empty(sbk_event& event, sbk_status status) noexcept {
    event.status = status;
    event.json = nullptr;
    event.json_text.clear();
    event.bytes.clear();
    event.error_bytes.clear();
    event.engine = nullptr;
    event.process = nullptr;
}

void Pending::on_cancel(std::function<void()> cancel) {
    {
        const std::lock_guard lock(mutex_);
        if (!completion_) return;
        cancel_ = std::move(cancel);
        if (!cancel_asked_) return;
        cancel = cancel_;
    }
    cancel();
}

bool Pending::open() {
    const std::lock_guard lock(mutex_);
    return completion_ != nullptr;
}

void Pending::cancel() {
    std::function<void()> cancel;
    {
        const std::lock_guard lock(mutex_);
        if (!completion_) return;
        cancel_asked_ = true;
        cancel = cancel_;
    }
    if (cancel) cancel();
}

} // namespace sandboxkit::capi

namespace capi = sandboxkit::capi;

sbk_status sbk_operation_cancel(sbk_operation* operation) {
    return capi::guarded(__func__, [&] {
        capi::object(operation).pending->cancel();
        return SBK_OK;
    });
}

void sbk_operation_free(sbk_operation* operation) {
    capi::release(__func__, operation);
}
