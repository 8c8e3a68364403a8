// The documents made of the route table: OpenAPI 3.0 and the reference page.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>

#include "aloft/v1/event.pb.h"
#include "aloft/v1/farm.pb.h"
#include "aloft/v1/guest.pb.h"
#include "aloft/v1/host.pb.h"
#include "aloft/v1/image.pb.h"
#include "aloft/v1/network.pb.h"
#include "aloft/v1/operation.pb.h"
#include "aloft/v1/placement.pb.h"
#include "aloft/v1/rule.pb.h"
#include "aloft/v1/service.pb.h"
#include "aloft/v1/volume.pb.h"
#include "api/route.h"

namespace aloft::api {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using nlohmann::json;

const Descriptor* message_named(std::string_view name) {
  // Asked of the pool by name; each of them is linked in because of its header above.
  return google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(
      fmt::format("aloft.v1.{}", name));
}

json reference_to(const Descriptor& message) {
  return {{"$ref", "#/components/schemas/" + message.name()}};
}

json scalar_schema(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return {{"type", "integer"}, {"format", "int32"}};
    case FieldDescriptor::CPPTYPE_UINT32:
      return {{"type", "integer"}, {"format", "int64"}, {"minimum", 0}};
    case FieldDescriptor::CPPTYPE_INT64:
      return {{"type", "string"}, {"format", "int64"}};
    case FieldDescriptor::CPPTYPE_UINT64:
      return {{"type", "string"}, {"format", "uint64"}};
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT:
      return {{"type", "number"}};
    case FieldDescriptor::CPPTYPE_BOOL:
      return {{"type", "boolean"}};
    case FieldDescriptor::CPPTYPE_ENUM: {
      json values = json::array();
      for (int i = 0; i < field.enum_type()->value_count(); ++i) {
        values.push_back(field.enum_type()->value(i)->name());
      }
      return {{"type", "string"}, {"enum", std::move(values)}};
    }
    case FieldDescriptor::CPPTYPE_STRING:
      if (field.type() == FieldDescriptor::TYPE_BYTES) {
        return {{"type", "string"}, {"format", "byte"}};
      }
      return {{"type", "string"}};
    case FieldDescriptor::CPPTYPE_MESSAGE:
      if (field.message_type()->full_name() == "google.protobuf.Timestamp") {
        return {{"type", "string"}, {"format", "date-time"}};
      }
      return reference_to(*field.message_type());
  }
  return json::object();
}

json field_schema(const FieldDescriptor& field) {
  if (field.is_map()) {
    return {{"type", "object"},
            {"additionalProperties", scalar_schema(*field.message_type()->map_value())}};
  }
  json schema = scalar_schema(field);
  if (field.is_repeated()) return {{"type", "array"}, {"items", std::move(schema)}};
  return schema;
}

// The schema of `message` and of all that it contains.
void add_schema(const Descriptor& message, json& schemas) {
  if (schemas.contains(message.name())) return;
  json& schema = schemas[message.name()];
  schema = {{"type", "object"}, {"additionalProperties", false}};
  json properties = json::object();
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    properties[field.json_name()] = field_schema(field);
    if (field.is_map() || field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (field.message_type()->full_name().starts_with("google.")) continue;
    add_schema(*field.message_type(), schemas);
  }
  schemas[message.name()]["properties"] = std::move(properties);
}

json content_of(const std::string& answer, json& schemas) {
  const Descriptor* message = message_named(answer);
  if (message == nullptr) return {{answer, {{"schema", {{"type", "string"}}}}}};
  add_schema(*message, schemas);
  return {{"application/json", {{"schema", reference_to(*message)}}}};
}

std::string operation_id(const Route& route) {
  std::string id;
  for (const char c : std::string(name_of(route.method)) + route.path) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      id += c;
    } else if (!id.empty() && id.back() != '_') {
      id += '_';
    }
  }
  while (id.ends_with('_')) id.pop_back();
  return id;
}

json operation_of(const Route& route, json& schemas) {
  json parameters = json::array();
  if (const std::size_t open = route.path.find('{'); open != std::string::npos) {
    const std::string name = route.path.substr(open + 1, route.path.find('}') - open - 1);
    parameters.push_back(
        {{"name", name}, {"in", "path"}, {"required", true}, {"schema", {{"type", "string"}}}});
  }
  for (const QueryParameter& parameter : route.query) {
    parameters.push_back({{"name", parameter.name},
                          {"in", "query"},
                          {"description", parameter.meaning},
                          {"schema", {{"type", "string"}}}});
  }
  json responses = json::object();
  json& success = responses[std::to_string(route.status)];
  success["description"] = "success";
  if (!route.answer.empty()) success["content"] = content_of(route.answer, schemas);
  responses["default"] = {{"description", "the error"}, {"content", content_of("Status", schemas)}};

  json operation = {{"operationId", operation_id(route)},
                    {"summary", route.summary},
                    {"x-aloft-role", name_of(route.role)},
                    {"parameters", std::move(parameters)},
                    {"responses", std::move(responses)}};
  if (!route.body.empty()) {
    json content = content_of(route.body, schemas);
    if (route.method == Method::Patch) {
      content["application/merge-patch+json"] = content["application/json"];
    }
    operation["requestBody"] = {{"required", true}, {"content", std::move(content)}};
  }
  if (route.role == Role::None) operation["security"] = json::array();
  return operation;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

}  // namespace

std::string openapi_document(const std::vector<Route>& routes, std::string_view version) {
  json schemas = json::object();
  json paths = json::object();
  for (const Route& route : routes) {
    paths[route.path][lower(name_of(route.method))] = operation_of(route, schemas);
  }
  const json document = {
      {"openapi", "3.0.3"},
      {"info",
       {{"title", "Aloft"},
        {"version", version},
        {"description", "Keeps virtual machines and containers running when hardware fails."}}},
      {"paths", std::move(paths)},
      {"components",
       {{"schemas", std::move(schemas)},
        {"securitySchemes",
         {{"bearer", {{"type", "http"}, {"scheme", "bearer"}}},
          {"certificate", {{"type", "mutualTLS"}}}}}}},
      {"security", json::array({{{"bearer", json::array()}}, {{"certificate", json::array()}}})}};
  return document.dump(2);
}

std::string reference_page(const std::vector<Route>& routes) {
  std::string page = R"(# API
JSON over HTTP/1.1: on the unix socket of aloftd (root and members of the group `aloft`) and over HTTPS (client certificates or bearer tokens). This page is made of the route table; `aloft_api_test` fails when it is out of date and writes it anew with `ALOFT_WRITE_REFERENCE=1`. The whole schema is served as an OpenAPI document at `/openapi.json`.

- **Messages** are those of [api/aloft/v1](../../api/aloft/v1/guest.proto) in protobuf's JSON mapping: names in lower camel case (the proto's names are understood too), 64-bit numbers as strings, defaults left out. Unknown fields, wrong types and unknown parameters are refused by name. With `Accept: application/x-protobuf` answers come in binary.
- **Roles**: viewer reads, operator runs guests, admin does the rest. Root on the unix socket is admin, the group `aloft` operator.
- **Errors** are a `Status`: `code`, a stable dotted `reason`, a `message` for people. The HTTP status follows from the code.
- **Concurrent changes**: `GET` gives an `ETag`; `PUT` needs it as `If-Match` (or `metadata.revision` in the body), `PATCH` and `DELETE` may. A lost race is 412.
- **What takes time** answers 202 with an [operation](operations.md) and its `Location`. A request with an `Idempotency-Key` may be sent again: it gives the same operation.
- **`dryRun=true`** checks everything and changes nothing.
- **Lists** come in pages: `limit` (at most 5,000) and `after`, the `next` of the page before. `label=KEY` or `label=KEY=VALUE` filters.
- **Streams** are server-sent events; `Last-Event-ID` goes on where a connection broke off.
- **Limits**: 16 KiB of headers, 1 MiB of body (413 before it is read), 60 s between requests.

| Method | Path | Role | Body | Answer | What it does |
|---|---|---|---|---|---|
)";
  for (const Route& route : routes) {
    std::string what = route.summary;
    for (const QueryParameter& parameter : route.query) {
      what += fmt::format("; `{}`: {}", parameter.name, parameter.meaning);
    }
    const auto code = [](const std::string& text) {
      return text.empty() ? std::string() : fmt::format("`{}`", text);
    };
    page +=
        fmt::format("| {} | `{}` | {} | {} | {} {} | {} |\n", name_of(route.method), route.path,
                    name_of(route.role), code(route.body), route.status, code(route.answer), what);
  }
  page += R"(
## Example
```
$ curl --unix-socket /run/aloft/api.sock http://aloft/v1/guests -d '
  {"metadata": {"name": "web1"}, "spec": {"image": "busybox", "cpus": 1, "memoryBytes": "67108864"}}'
{"metadata":{"name":"op-0645a1b2c3d4e5f6a7b8c9d0","createdAt":"2026-01-02T03:04:05.678901Z","revision":"41"},
 "kind":"guest.create","subject":"guest/web1","state":"STATE_PENDING","actor":"unix:0",
 "parameters":{"generation":"1","uid":"0b8cf1a0-5b6c-4d7e-8f90-a1b2c3d4e5f6"}}
$ curl --unix-socket /run/aloft/api.sock -X PATCH http://aloft/v1/guests/web1 -d '{"spec": {"priority": 7}}'
$ curl --unix-socket /run/aloft/api.sock -N 'http://aloft/v1/watch?kinds=guests,operations'
id: guests=45,operations=45
event: change
data: {"kind":"guest","name":"web1","guest":{...}}
```
)";
  return page;
}

}  // namespace aloft::api
