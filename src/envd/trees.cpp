// SPDX-License-Identifier: Apache-2.0
#include "envd/trees.hpp"

#include "envd/entry_decoder.hpp"
#include "envd/json_reader.hpp"
#include "envd/requests.hpp"

#include <utility>

namespace sandboxkit::envd {

namespace {

constexpr const char* archive_type = "application/x-tar";
// Of the sandbox, between two pieces: its disk may be slow, and it says nothing while it looks for the data in a sparse file.
constexpr std::chrono::milliseconds silence = std::chrono::minutes(5);
constexpr std::size_t summary_limit = 64U << 10;

Task<void> need_trees(CorePtr core) {
    Error otherwise{ErrorClass::unsupported,
                    "trees_not_supported",
                    "this sandbox does not send and take whole trees of files",
                    "send or take its files one by one, or an archive made by a tar in the sandbox",
                    "",
                    {}};
    auto able = co_await need_extensions(std::move(core), std::move(otherwise));
    co_return able;
}

} // namespace

Task<void> download_tree(CorePtr core, std::string path, std::function<Task<void>(std::string)> sink) {
    auto request = download_tree_request(path);
    if (!request) co_return request.error();
    auto able = co_await need_trees(core);
    if (!able) co_return able;
    request = core->complete(std::move(*request));
    if (!request) co_return request.error();
    auto stream = co_await core->http.stream(std::move(*request), silence);
    if (!stream) co_return stream.error();
    if (stream->head().status != 200) {
        auto refusal = co_await read_refusal(*stream, "download_tree", Route::plain, core->limits.refusal);
        co_return refusal;
    }
    if (!net::has_media_type(stream->head().headers, archive_type))
        co_return protocol_error("the sandbox answered 'download_tree' with something that is not an archive");
    for (;;) {
        auto bytes = co_await stream->read_some(silence);
        if (!bytes) co_return bytes.error();
        const bool last = bytes->empty();
        auto taken = co_await sink(std::move(*bytes));
        if (!taken || last) co_return taken;
    }
}

Task<TreeSummary> upload_tree(CorePtr core, std::string path, std::function<Task<std::string>()> source) {
    auto request = upload_tree_request(path);
    if (!request) co_return request.error();
    auto able = co_await need_trees(core);
    if (!able) co_return able.error();
    request = core->complete(std::move(*request));
    if (!request) co_return request.error();
    const net::HttpLimits limits{summary_limit, silence};
    auto response = co_await core->http.upload(std::move(*request), std::move(source), limits);
    if (!response) co_return as_protocol_error(response.error());
    if (response->head.status != 200) co_return error_of_response("upload_tree", Route::plain, *response);
    co_return decode_tree_summary(response->body);
}

} // namespace sandboxkit::envd
