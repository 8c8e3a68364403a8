// aloft token
#include "aloft/v1/service.pb.h"
#include "cli/object_commands.h"

namespace aloft::cli {
namespace {

std::string role_text(v1::Role role) {
  if (role == v1::ROLE_ADMIN) return "admin";
  if (role == v1::ROLE_OPERATOR) return "operator";
  return role == v1::ROLE_VIEWER ? "viewer" : "";
}

Result<int> list(Context& context, const Words& /*words*/) {
  ALOFT_ASSIGN(ApiClient * api, context.api());
  v1::TokenList list;
  ALOFT_TRY(api->get("/v1/tokens", list));
  Output& out = context.out();
  if (out.format() == Format::Name) {
    for (const auto& token : list.items()) out.print(token.name() + "\n");
  } else if (!out.for_people()) {
    out.print(list);
  } else if (list.items_size() == 0) {
    out.note("no tokens");
  } else {
    Table table({"NAME", "ROLE", "CREATED BY", ">AGE", "EXPIRES"});
    const WallTime now = wall_now();
    for (const auto& token : list.items()) {
      const WallTime end = model::time_from(token.expires_at());
      table.add({{token.name()},
                 {role_text(token.role())},
                 {token.created_by()},
                 {age_text(model::time_from(token.created_at()), now)},
                 {time_text(end), end < now ? Style::Bad : Style::Plain}});
    }
    out.print(table);
  }
  return 0;
}

Result<int> create(Context& context, const Words& words) {
  v1::TokenRequest wanted;
  ALOFT_TRY(check_name("token", words.at("NAME")));
  wanted.set_name(words.at("NAME"));
  const std::string role = words.text("--role");
  wanted.set_role(role == "admin"      ? v1::ROLE_ADMIN
                  : role == "operator" ? v1::ROLE_OPERATOR
                                       : v1::ROLE_VIEWER);
  ALOFT_ASSIGN(const auto lifetime, words.duration("--lifetime"));
  if (lifetime) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*lifetime).count();
    if (seconds < 1) {
      return fail(Code::InvalidArgument, "token.lifetime",
                  "--lifetime is under a second; give one like 12h or 30d");
    }
    wanted.set_lifetime_s(static_cast<std::uint64_t>(seconds));
  }
  ALOFT_ASSIGN(ApiClient * api, context.api());
  v1::Token token;
  ALOFT_TRY(api->post("/v1/tokens", &wanted, token));
  Output& out = context.out();
  if (out.format() == Format::Json || out.format() == Format::Yaml) {
    out.print(token);
    return 0;
  }
  // Nothing else on standard output: it goes into a file as it is.
  out.print(token.secret() + "\n");
  out.note(fmt::format("token {} with the role {}, until {} UTC; its secret is shown this once",
                       token.name(), role_text(token.role()),
                       time_text(model::time_from(token.expires_at()))));
  return 0;
}

Result<int> remove(Context& context, const Words& words) {
  ALOFT_ASSIGN(const auto names, names_in(words, "NAME", "token"));
  ALOFT_ASSIGN(ApiClient * api, context.api());
  for (const std::string& name : names) {
    ALOFT_TRY(api->remove(target("/v1/tokens/" + name), nullptr));
    if (context.out().for_people()) context.out().print(fmt::format("token {} revoked\n", name));
    if (context.out().format() == Format::Name) context.out().print(name + "\n");
  }
  return 0;
}

}  // namespace

void add_token_commands(std::vector<Command>& table) {
  table.push_back({.noun = "token",
                   .verb = "list",
                   .summary = "List bearer tokens, without their secrets",
                   .examples = {"aloft token list"},
                   .run = list});
  table.push_back(
      {.noun = "token",
       .verb = "create",
       .summary = "Make a bearer token and show its secret, this once",
       .arguments = {{"NAME", "Name of the new token"}},
       .options = {{.name = "--role",
                    .value = "ROLE",
                    .meaning = "What it may do; viewer when not given",
                    .choices = {"viewer", "operator", "admin"}},
                   {.name = "--lifetime",
                    .value = "DURATION",
                    .meaning = "How long it counts; 30d when not given"}},
       .examples = {"(umask 077; aloft token create ci --role operator >~/.config/aloft/ci.token)"},
       .run = create});
  table.push_back({.noun = "token",
                   .verb = "delete",
                   .summary = "Revoke bearer tokens",
                   .arguments = {{"NAME", "Name of the token", Count::Some, "token"}},
                   .examples = {"aloft token delete ci"},
                   .run = remove});
}

}  // namespace aloft::cli
