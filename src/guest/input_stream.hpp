// SPDX-License-Identifier: Apache-2.0
// The request of StreamInput: the input of a process as a stream of messages, read no faster than the process takes it.
#pragma once

#include "guest/connection.hpp"
#include "guest/messages.hpp"
#include "guest/process.hpp"

#include "net/connect_envelope.hpp"

#include <functional>
#include <memory>
#include <string_view>

namespace sandboxkit::guest {

class InputStream : public std::enable_shared_from_this<InputStream> {
public:
    // Finds the process that the first message selects.
    using Find = std::function<Answer<std::shared_ptr<Process>>(const Selector&)>;

    [[nodiscard]] static std::unique_ptr<BodySink> take_body(std::shared_ptr<Connection> connection, Find find);

    InputStream(std::shared_ptr<Connection> connection, Find find);

private:
    class Sink;

    void feed(std::string_view bytes);
    void end();
    void advance();
    [[nodiscard]] Answer<void> take(const net::Envelope& envelope);
    void write(ProcessInput input);
    void written(const Answer<void>& result);
    void fail(const RpcError& error);

    std::shared_ptr<Connection> connection_;
    Find find_;
    net::EnvelopeDecoder envelopes_;
    std::shared_ptr<Process> process_;
    bool waiting_ = false; // for the process to take the last message's input
    bool held_up_ = false; // and it did not at once
    bool answered_ = false;
};

} // namespace sandboxkit::guest
