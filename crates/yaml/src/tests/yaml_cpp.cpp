// Reads documents with yaml-cpp, the library in Falco, and prints what it reads.
//
// Standard input: for each text its length in bytes, a newline, and the bytes. Standard output: a
// line of JSON for each text:
//
//   {"documents":[NODE,...]}                      NODE: null, {"plain":TEXT}, {"quoted":TEXT},
//   {"error":TEXT,"line":N,"column":N}                  {"list":[NODE,...]}, {"map":[NODE,...]}
//
// With the argument "convert", each text is a scalar, and the line says what it is as other types:
//
//   {"bool":true,"signed":5,"unsigned":5,"double":5}     null where it has no such value
//
// A quoted node is one that yaml-cpp never takes for null; a map lists keys and values in turn.
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include <yaml-cpp/anchor.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>
#include <yaml-cpp/yaml.h>

// Texts of which yaml-cpp makes documents without end, or trees of any size, end here.
constexpr std::size_t DOCUMENTS_MAX = 1000;
constexpr std::size_t BYTES_MAX = 4 << 20;

struct Endless {};

static std::string quoted(const std::string &text) {
	std::string out = "\"";
	for(unsigned char c : text) {
		char escape[8];
		if(c < 0x20 || c == '"' || c == '\\' || c == 0x7f) {
			std::snprintf(escape, sizeof escape, "\\u%04x", c);
			out += escape;
		} else {
			out += static_cast<char>(c);
		}
	}
	return out + '"';
}

// Makes JSON of the events of one document.
class Printer : public YAML::EventHandler {
public:
	std::string document;

	void OnDocumentStart(const YAML::Mark &) override {}
	void OnDocumentEnd() override {}
	void OnNull(const YAML::Mark &, YAML::anchor_t anchor) override { complete("null", anchor); }
	void OnAlias(const YAML::Mark &, YAML::anchor_t anchor) override {
		const bool known = anchor < m_anchors.size() && !m_anchors[anchor].empty();
		complete(known ? m_anchors[anchor] : "\"cycle\"", YAML::NullAnchor);
	}
	void OnScalar(const YAML::Mark &, const std::string &tag, YAML::anchor_t anchor,
	              const std::string &text) override {
		const char *style = tag == "?" ? "plain" : "quoted";
		complete(std::string("{\"") + style + "\":" + quoted(text) + "}", anchor);
	}
	void OnSequenceStart(const YAML::Mark &, const std::string &, YAML::anchor_t anchor,
	                     YAML::EmitterStyle::value) override {
		m_open.push_back({"{\"list\":[", anchor});
	}
	void OnSequenceEnd() override { close(); }
	void OnMapStart(const YAML::Mark &, const std::string &, YAML::anchor_t anchor,
	                YAML::EmitterStyle::value) override {
		m_open.push_back({"{\"map\":[", anchor});
	}
	void OnMapEnd() override { close(); }

private:
	struct Open {
		std::string text;
		YAML::anchor_t anchor;
	};
	std::vector<Open> m_open;
	std::vector<std::string> m_anchors;

	void close() {
		Open done = m_open.back();
		m_open.pop_back();
		complete(done.text + "]}", done.anchor);
	}

	void complete(const std::string &node, YAML::anchor_t anchor) {
		if(anchor != YAML::NullAnchor) {
			m_anchors.resize(std::max(m_anchors.size(), anchor + 1));
			m_anchors[anchor] = node;
		}
		if(m_open.empty()) {
			document = node;
			return;
		}
		std::string &text = m_open.back().text;
		if(text.size() + node.size() > BYTES_MAX) {
			throw Endless();
		}
		text += (text.back() == '[' ? "" : ",") + node;
	}
};

static std::string read(const std::string &text) {
	std::istringstream stream(text);
	std::string documents;
	try {
		YAML::Parser parser(stream);
		for(std::size_t count = 0;; count++) {
			Printer printer;
			if(!parser.HandleNextDocument(printer)) {
				return "{\"documents\":[" + documents + "]}";
			}
			if(count == DOCUMENTS_MAX) {
				throw Endless();
			}
			documents += (documents.empty() ? "" : ",") + printer.document;
		}
	} catch(const YAML::Exception &error) {
		return "{\"error\":" + quoted(error.msg) + ",\"line\":" + std::to_string(error.mark.line + 1) +
		       ",\"column\":" + std::to_string(error.mark.column + 1) + "}";
	} catch(const Endless &) {
		return "{\"error\":\"without end\",\"line\":0,\"column\":0}";
	}
}

template<typename T>
static std::string as(const YAML::Node &node) {
	T value;
	if(!YAML::convert<T>::decode(node, value)) {
		return "null";
	}
	std::ostringstream out;
	out.precision(17);
	out << std::boolalpha << value;
	return out.str();
}

static std::string convert(const std::string &text) {
	const YAML::Node node(text);
	return "{\"bool\":" + as<bool>(node) + ",\"signed\":" + as<long long>(node) + ",\"unsigned\":" +
	       as<unsigned long long>(node) + ",\"double\":" + as<double>(node) + "}";
}

int main(int argc, char **argv) {
	const bool converts = argc > 1 && std::string(argv[1]) == "convert";
	std::size_t length;
	while(std::cin >> length && std::cin.get() == '\n') {
		std::string text(length, '\0');
		std::cin.read(&text[0], static_cast<std::streamsize>(length));
		std::cout << (converts ? convert(text) : read(text)) << std::endl;
	}
}
