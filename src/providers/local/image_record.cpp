// SPDX-License-Identifier: Apache-2.0
#include "providers/local/image_record.hpp"
#include "providers/local/file_handle.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <algorithm>

namespace sandboxkit::local {

namespace json = boost::json;

namespace {

constexpr std::int64_t format = 1;

Error damaged(std::string_view id, std::string detail) {
    return {ErrorClass::data_loss,
            "image_damaged",
            "the record of the image " + shown(id) + " cannot be read",
            "remove the image and build it again",
            std::move(detail),
            {}};
}

std::string text(const json::object& object, std::string_view key) {
    return std::string(object.at(key).as_string());
}

bool is_digest(std::string_view name) {
    return name.size() == 64 && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

} // namespace

bool is_image_id(std::string_view id) noexcept {
    return id.size() == 24 && id.starts_with("img_") &&
           id.substr(4).find_first_not_of("abcdefghijklmnopqrstuvwxyz234567") == std::string_view::npos;
}

std::string write_record(const ImageRecord& record) {
    json::object labels;
    for (const auto& [name, value] : record.labels) labels[name] = value;
    json::array layers;
    for (const auto& layer : record.layers)
        layers.push_back(json::object{{"digest", layer.digest}, {"name", layer.name}, {"usr", layer.usr}});
    json::object source{{"kind", record.source.kind}, {"name", record.source.name}, {"digest", record.source.digest}};
    json::object document{{"format", format},
                          {"id", record.id},
                          {"base", record.base},
                          {"labels", std::move(labels)},
                          {"layers", std::move(layers)},
                          {"fingerprint", record.fingerprint},
                          {"source", std::move(source)}};
    return json::serialize(document) + "\n";
}

Result<ImageRecord> read_record(std::string_view id, std::string_view contents) {
    try {
        const auto document = json::parse(json::string_view(contents.data(), contents.size())).as_object();
        if (document.at("format").to_number<std::int64_t>() != format) return damaged(id, "it has another format");
        ImageRecord record;
        record.id = text(document, "id");
        record.base = text(document, "base");
        record.fingerprint = text(document, "fingerprint");
        for (const auto& [name, value] : document.at("labels").as_object())
            record.labels[std::string(name)] = std::string(value.as_string());
        for (const auto& value : document.at("layers").as_array())
            record.layers.push_back(
                {text(value.as_object(), "digest"), text(value.as_object(), "name"), value.as_object().at("usr").as_bool()});
        const auto& source = document.at("source").as_object();
        record.source = {text(source, "kind"), text(source, "name"), text(source, "digest")};
        if (record.id != id || record.layers.empty() ||
            !std::all_of(record.layers.begin(), record.layers.end(), [](const auto& layer) { return is_digest(layer.digest); }))
            return damaged(id, "it contradicts itself");
        return record;
    } catch (const std::exception& e) {
        return damaged(id, e.what());
    }
}

} // namespace sandboxkit::local
