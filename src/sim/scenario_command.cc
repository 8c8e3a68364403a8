#include "sim/scenario_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "sim/scenario_fields.h"
#include "sim/scenario_reader.h"

namespace aloft::sim {
namespace {

struct Form {
  Act act;
  std::string_view words;  // upper case: an argument
};

constexpr std::array<Form, 50> kForms{{
    {Act::PowerOn, "power HOST on"},
    {Act::PowerOff, "power HOST off"},
    {Act::Reboot, "reboot HOST"},
    {Act::Shutdown, "shutdown HOST"},
    {Act::HangHost, "hang HOST on"},
    {Act::UnhangHost, "hang HOST off"},
    {Act::HangAgent, "agent HOST hang"},
    {Act::ResumeAgent, "agent HOST resume"},
    {Act::RestartAgent, "agent HOST restart TIME"},
    {Act::NetworkOff, "network HOST off"},
    {Act::NetworkOn, "network HOST on"},
    {Act::LinkOff, "link HOST OTHER off"},
    {Act::LinkOn, "link HOST OTHER on"},
    {Act::OneWayOff, "oneway HOST OTHER off"},
    {Act::OneWayOn, "oneway HOST OTHER on"},
    {Act::Lossy, "lossy HOST on"},
    {Act::Lossless, "lossy HOST off"},
    {Act::PartitionOver, "partition over"},
    {Act::Partition, "partition GROUPS"},
    {Act::StoreOff, "store off"},
    {Act::StoreOn, "store on"},
    {Act::StoreTrouble, "store trouble"},
    {Act::StoreCalm, "store calm"},
    {Act::StoreLinkOff, "store HOST off"},
    {Act::StoreLinkOn, "store HOST on"},
    {Act::MaintenanceOn, "maintenance HOST on"},
    {Act::MaintenanceOff, "maintenance HOST off"},
    {Act::Leave, "farm HOST leave"},
    {Act::Join, "farm HOST join"},
    {Act::DiskFails, "disk HOST fail"},
    {Act::DiskWorks, "disk HOST work"},
    {Act::BmcWorks, "bmc HOST works"},
    {Act::BmcDead, "bmc HOST dead"},
    {Act::BmcLies, "bmc HOST lies"},
    {Act::ClockJump, "clock HOST jump"},
    {Act::StubbornNot, "stubborn HOST no"},
    {Act::StubbornFreeze, "stubborn HOST freeze"},
    {Act::StubbornKill, "stubborn HOST kill"},
    {Act::SlowStarts, "starts slow"},
    {Act::FastStarts, "starts fast"},
    {Act::HostCapacity, "capacity HOST MIB"},
    {Act::GuestAdd, "guest GUEST add"},
    {Act::GuestRemove, "guest GUEST remove"},
    {Act::GuestStart, "guest GUEST start"},
    {Act::GuestStop, "guest GUEST stop"},
    {Act::GuestCrash, "guest GUEST crash"},
    {Act::GuestHang, "guest GUEST hang"},
    {Act::GuestUnhealthy, "guest GUEST unhealthy"},
    {Act::GuestMove, "guest GUEST move HOST"},
    {Act::GuestResize, "guest GUEST resize MIB"},
}};

struct Word {
  std::string_view text;
  std::size_t offset = 0;
};

// Words by single spaces; a time may have one between number and unit.
std::vector<Word> split(std::string_view text) {
  std::vector<Word> words;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    if (end > at) words.push_back({text.substr(at, end - at), at});
    at = end + 1;
  }
  return words;
}

bool argument(std::string_view word) {
  return !word.empty() && word[0] >= 'A' && word[0] <= 'Z';
}

bool same_words(const std::vector<Word>& form, const std::vector<Word>& given) {
  if (form.back().text == "GROUPS") {
    return given.size() >= 3 && given[0].text == form[0].text;
  }
  if (form.size() != given.size()) return false;
  for (std::size_t i = 0; i < form.size(); ++i) {
    if (!argument(form[i].text) && form[i].text != given[i].text) return false;
  }
  return true;
}

std::vector<std::string> names_of(const NameMap& map) {
  std::vector<std::string> names;
  for (const auto& [name, number] : map) names.push_back(name);
  return names;
}

class CommandReader {
 public:
  CommandReader(std::string_view text, const NameMap& hosts, const NameMap& guests)
      : text_(text), hosts_(hosts), guests_(guests) {}

  std::expected<Command, CommandError> read() {
    const std::vector<Word> given = split(text_);
    for (const Form& form : kForms) {
      const std::vector<Word> words = split(form.words);
      if (given.empty() || !same_words(words, given)) continue;
      command_.act = form.act;
      command_.text = std::string(text_);
      return take(words, given);
    }
    return unknown(given);
  }

 private:
  std::expected<Command, CommandError> take(const std::vector<Word>& form,
                                            const std::vector<Word>& given) {
    if (form.back().text == "GROUPS") return groups(given);
    for (std::size_t i = 0; i < form.size(); ++i) {
      if (!argument(form[i].text)) continue;
      if (auto wrong = value(form[i].text, given[i])) return std::unexpected(*wrong);
    }
    if (command_.host == command_.other && command_.host != controller::kNoHost) {
      return error("scenario.bad_value", "a link needs two hosts", given.back());
    }
    return command_;
  }

  std::optional<CommandError> value(std::string_view what, const Word& word) {
    if (what == "HOST") return number(hosts_, "host", word, command_.host);
    if (what == "OTHER") return number(hosts_, "host", word, command_.other);
    if (what == "GUEST") return number(guests_, "guest", word, command_.guest);
    if (what == "TIME") {
      const auto time = parse_duration(word.text);
      if (!time) return wrong("scenario.bad_time", "a time like 500ms or 2s", word);
      command_.time = *time;
      return std::nullopt;
    }
    std::uint32_t mib = 0;
    const char* const last = word.text.data() + word.text.size();
    const auto [end, failed] = std::from_chars(word.text.data(), last, mib);
    if (failed != std::errc{} || end != last || mib > kMaxScenarioMemoryMib) {
      return wrong("scenario.bad_value",
                   fmt::format("mebibytes of memory from 0 to {}", kMaxScenarioMemoryMib), word);
    }
    command_.memory_mib = mib;
    return std::nullopt;
  }

  template <class Id>
  std::optional<CommandError> number(const NameMap& names, std::string_view what, const Word& word,
                                     Id& out) const {
    const auto found = names.find(word.text);
    if (found == names.end()) {
      return CommandError{"scenario.unknown_name",
                          fmt::format("there is no {} {}; there are {}", what, quoted(word.text),
                                      list_words(names_of(names))),
                          word.offset};
    }
    out = Id(found->second);
    return std::nullopt;
  }

  // "partition h1,h2 h3": hosts that are not named are a group of their own.
  std::expected<Command, CommandError> groups(const std::vector<Word>& given) {
    command_.groups.assign(hosts_.size(), 0);
    for (std::size_t g = 1; g < given.size(); ++g) {
      std::size_t at = 0;
      const std::string_view group = given[g].text;
      while (at < group.size()) {
        const std::size_t end = std::min(group.find(',', at), group.size());
        const Word name{group.substr(at, end - at), given[g].offset + at};
        controller::HostId host = controller::kNoHost;
        if (auto wrong = number(hosts_, "host", name, host)) return std::unexpected(*wrong);
        std::uint32_t& known = command_.groups[host.value()];
        if (known != 0) return error("scenario.bad_value", "a host is in one group only", name);
        known = static_cast<std::uint32_t>(g);
        at = end + 1;
      }
    }
    return command_;
  }

  std::expected<Command, CommandError> unknown(const std::vector<Word>& given) const {
    std::vector<std::string> alike;
    for (const Form& form : kForms) {
      const std::vector<Word> words = split(form.words);
      if (!given.empty() && words[0].text == given[0].text) alike.emplace_back(form.words);
    }
    if (!alike.empty()) {
      return error("scenario.unknown_command",
                   fmt::format("{} is no command; there are: {}", quoted(text_), list_words(alike)),
                   given[0]);
    }
    std::vector<std::string> first;
    for (const Form& form : kForms) {
      const std::string word(split(form.words)[0].text);
      if (std::ranges::find(first, word) == first.end()) first.push_back(word);
    }
    std::string all;
    for (const std::string& word : first) all += (all.empty() ? "" : ", ") + word;
    return error("scenario.unknown_command",
                 fmt::format("{} is no command; commands begin with {}", quoted(text_), all),
                 given.empty() ? Word{} : given[0]);
  }

  static CommandError wrong(std::string_view reason, std::string_view wanted, const Word& word) {
    return {std::string(reason), fmt::format("{} is to be {}", quoted(word.text), wanted),
            word.offset};
  }
  static std::unexpected<CommandError> error(std::string_view reason, std::string_view words,
                                             const Word& word) {
    return std::unexpected(CommandError{std::string(reason), std::string(words), word.offset});
  }

  std::string_view text_;
  const NameMap& hosts_;
  const NameMap& guests_;
  Command command_;
};

}  // namespace

std::expected<Command, CommandError> parse_command(std::string_view text, const NameMap& hosts,
                                                   const NameMap& guests) {
  return CommandReader(text, hosts, guests).read();
}

std::vector<std::string> command_forms() {
  std::vector<std::string> forms;
  for (const Form& form : kForms) forms.emplace_back(form.words);
  return forms;
}

}  // namespace aloft::sim
