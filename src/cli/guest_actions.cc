// aloft guest start, stop, restart, kill, freeze, thaw, resize.
#include "aloft/v1/service.pb.h"
#include "cli/object_commands.h"
#include "model/limits.h"

namespace aloft::cli {
namespace {

Result<int> act(Context& context, const Words& words, const std::string& verb) {
  ALOFT_ASSIGN(const auto names, names_in(words, "NAME", "guest"));
  return carry_out(context, words, names, [&](const std::string& name) {
    return ask(context, words, "POST", path_of("guest", name) + ":" + verb,
               {{"force", words.has("--force") ? "true" : ""}});
  });
}

Result<int> resize(Context& context, const Words& words) {
  v1::ResizeRequest wanted;
  ALOFT_ASSIGN(const auto cpus, words.number("--cpus", 1, model::kMaxCpus));
  ALOFT_ASSIGN(const auto memory, words.size("--memory"));
  ALOFT_ASSIGN(const auto shares, words.number("--cpu-shares", 1, model::kMaxCpuShares));
  if (!cpus && !memory && !shares) {
    return fail(Code::InvalidArgument, "guest.resize_nothing",
                "there is nothing to change; give --cpus, --memory or --cpu-shares");
  }
  wanted.set_cpus(cpus.value_or(0));
  wanted.set_memory_bytes(memory.value_or(Bytes()).count());
  wanted.set_cpu_shares(shares.value_or(0));
  ALOFT_ASSIGN(const auto names, names_in(words, "NAME", "guest"));
  return carry_out(context, words, names, [&](const std::string& name) {
    return ask(context, words, "POST", path_of("guest", name) + ":resize", {}, &wanted);
  });
}

struct Action {
  std::string verb;
  std::string summary;
  std::string details;
};

}  // namespace

void add_guest_action_commands(std::vector<Command>& table) {
  const Action actions[] = {
      {"start", "Start guests, and keep them running", ""},
      {"stop", "Stop guests gracefully, and keep them stopped",
       "A guest that does not stop within its stop timeout is ended by force."},
      {"restart", "Stop guests gracefully and start them again", ""},
      {"kill", "End the processes of guests at once",
       "What happens next is up to the restart policy of each guest."},
      {"freeze", "Make all processes of guests stand still", ""},
      {"thaw", "Let frozen guests go on", ""}};
  for (const Action& action : actions) {
    std::vector<Option> options;
    if (action.verb == "stop") {
      options.push_back(
          {.name = "--force", .value = "", .meaning = "Do not wait for a graceful stop"});
    }
    table.push_back({.noun = "guest",
                     .verb = action.verb,
                     .summary = action.summary,
                     .arguments = {{"NAME", "Name of the guest", Count::Some, "guest"}},
                     .options = operation_options(std::move(options)),
                     .examples = {fmt::format("aloft guest {} web1", action.verb),
                                  fmt::format("aloft guest {} web1 web2 --no-wait", action.verb)},
                     .details = action.details,
                     .run = [verb = action.verb](Context& context, const Words& words) {
                       return act(context, words, verb);
                     }});
  }
  table.push_back(
      {.noun = "guest",
       .verb = "resize",
       .summary = "Change CPUs, memory or CPU shares of running guests",
       .arguments = {{"NAME", "Name of the guest", Count::Some, "guest"}},
       .options = operation_options(
           {{.name = "--cpus", .value = "N", .meaning = "Number of CPUs"},
            {.name = "--memory", .value = "SIZE", .meaning = "Memory, like 512MiB or 2GiB"},
            {.name = "--cpu-shares",
             .value = "N",
             .meaning = "Weight against other guests of the host, 1 to 10000; usual is 100"}}),
       .examples = {"aloft guest resize web1 --memory 2GiB", "aloft guest resize web1 --cpus 4"},
       .details =
           "A guest grows up to the ceilings it was launched with (--cpus-max, --memory-max).",
       .run = resize});
}

}  // namespace aloft::cli
