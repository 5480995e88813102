// SPDX-License-Identifier: Apache-2.0
// Everything between the bytes of a connection and a typed request, without doing what it asks. The first byte of the
// input says how the rest is cut into pieces.
#include "guest/encoding.hpp"
#include "guest/file_conditions.hpp"
#include "guest/file_metadata.hpp"
#include "guest/file_range.hpp"
#include "guest/gzip.hpp"
#include "guest/messages.hpp"
#include "guest/multipart.hpp"
#include "guest/paths.hpp"
#include "guest/request_reader.hpp"
#include "guest/service.hpp"
#include "guest/stream_fields.hpp"

#include "net/connect_envelope.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

using namespace sandboxkit::guest;

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

void decode_stream(std::string_view body) {
    sandboxkit::net::EnvelopeDecoder envelopes(1 << 20);
    envelopes.feed(body);
    for (;;) {
        const auto envelope = envelopes.next();
        if (!envelope || !*envelope) return;
        const auto message = decode_stream_input((*envelope)->payload);
        if (message) require(!message->start || !message->data);
    }
}

void decode_body(const RequestHead& head, std::string_view body) {
    if (head.path.ends_with("/StreamInput")) return decode_stream(body);
    std::string message(body);
    if (head.path.ends_with("/Start") || head.path.ends_with("/Connect") || head.path.ends_with("/WatchDir")) {
        const auto opened = open_single_envelope(body);
        if (!opened) return;
        message = *opened;
    }
    if (const auto start = decode_start(message)) {
        require(!start->cmd.empty() && start->cmd.find('\0') == std::string::npos);
        for (const auto& [name, value] : start->envs)
            require(!name.empty() && name.find('=') == std::string::npos && value.find('\0') == std::string::npos);
    }
    if (const auto selector = decode_selector(message)) require(selector->pid || !selector->tag.empty());
    if (const auto signal = decode_signal(message)) require(signal->signal >= 1 && signal->signal <= 64);
    (void)decode_input(message);
    if (const auto update = decode_update(message)) require(!update->size || (update->size->cols > 0 && update->size->rows > 0));
    (void)decode_move(message);
    (void)decode_watch(message);
    if (const auto compose = decode_compose(message)) require(!compose->sources.empty() && !compose->destination.empty());
    (void)decode_watcher_id(message);
    (void)decode_init(message);
    (void)decode_empty(message);
    if (const auto path = decode_path(message)) {
        const auto resolved = resolve_path(path->path, Identity{}, "/work");
        if (resolved) require(resolved->starts_with('/') && resolved->find("//") == std::string::npos && resolved->size() < 4096);
    }
    std::string event;
    append_data_event(event, Stream::standard_output, body);
    append_raw_data(event, Stream::terminal, body);
    append_json_string(event, body);
}

void read_multipart(MultipartReader& reader) {
    for (;;) {
        const auto event = reader.next();
        if (event == MultipartReader::Event::need_more || event == MultipartReader::Event::end ||
            event == MultipartReader::Event::bad)
            return;
        if (event == MultipartReader::Event::data) require(!reader.data().empty());
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t piece = data[0] == 0 ? size : data[0];
    std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
    RequestReader reader;
    std::optional<MultipartReader> multipart;
    std::string body;
    while (!rest.empty()) {
        reader.feed(rest.substr(0, piece));
        rest.remove_prefix(std::min(piece, rest.size()));
        for (;;) {
            const auto event = reader.next();
            if (event == RequestReader::Event::need_more) break;
            if (event == RequestReader::Event::bad) {
                require(reader.error_status() == 400 || reader.error_status() == 431 || reader.error_status() == 501);
                (void)http_error_body(reader.error_status(), reader.error_message());
                return 0;
            }
            const RequestHead& head = reader.head();
            if (event == RequestReader::Event::head) {
                body.clear();
                multipart.reset();
                if (const auto boundary = multipart_boundary(head.field("Content-Type"))) multipart.emplace(*boundary);
                (void)basic_auth_user(head.field("Authorization"));
                (void)parse_query(head.query);
                (void)output_options(head);
                (void)time_limit(head);
                (void)accepts_gzip(head.field("Accept-Encoding"));
                (void)refuses_identity(head.field("Accept-Encoding"));
                (void)check_conditions(head, 1'000'000'000);
                if (const auto metadata = metadata_of(head)) {
                    require(!metadata->contains(""));
                    std::string json;
                    append_metadata(json, *metadata);
                }
                const RangeAnswer range = parse_range(head.field("Range"), 1000);
                if (range.kind == RangeAnswer::Kind::part) require(range.length > 0 && range.first + range.length <= 1000);
            } else if (event == RequestReader::Event::body) {
                require(!reader.body().empty());
                body += reader.body();
                if (multipart) {
                    multipart->feed(reader.body());
                    read_multipart(*multipart);
                }
            } else {
                decode_body(head, body);
            }
        }
    }
    return 0;
}
