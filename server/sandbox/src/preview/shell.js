// The preview's own page: lays the next page over the shown one, so that the pane beside it stays; and is Outlook for
// the pane: it tells office.js what is open, and does what an add-in asks for. It believes messages of the pane's own
// frame and origin alone.
(function () {
  "use strict";
  var MARK = "tandem-preview";
  var CHANGED = "olkItemSelectedChanged";
  // How often it is asked whether the mailbox has changed, in milliseconds.
  var EVERY = 4000;

  function byId(id) {
    return document.getElementById(id);
  }

  function json(id) {
    return JSON.parse(byId(id).textContent);
  }

  var setup = json("setup");
  var frame = byId("pane");
  var paneUrl = frame ? frame.dataset.src : "";
  var paneOrigin = frame ? new URL(paneUrl).origin : "";
  var item = json("item");
  var seen = null;

  function say(text) {
    byId("said").textContent = text;
  }

  function remember(name, value) {
    document.cookie = "preview_" + name + "=" + value + "; Path=/; SameSite=Lax; Max-Age=2592000";
  }

  // ---------------------------------------------------------------- the pane

  function tell(message) {
    if (frame && frame.contentWindow && !document.body.hasAttribute("data-closed")) {
      message.mark = MARK;
      frame.contentWindow.postMessage(message, paneOrigin);
    }
  }

  function loadPane() {
    if (!frame || document.body.hasAttribute("data-closed")) {
      return;
    }
    if (frame.hasAttribute("src")) {
      // Not by its attribute: that would be a step that one goes back by.
      frame.contentWindow.location.replace(paneUrl);
    } else {
      frame.src = paneUrl;
    }
  }

  function pinned() {
    return byId("pin").getAttribute("aria-pressed") === "true";
  }

  function isRead(one) {
    return !one || (one.mode === "read" && one.itemType === "message");
  }

  function isSame(a, b) {
    return a && b && (a.key === b.key || (a.itemId && a.itemId === b.itemId));
  }

  // Something else is open, or the same in another state.
  function adopt(next) {
    var before = item;
    item = next;
    if (isSame(before, next)) {
      if (JSON.stringify(before) !== JSON.stringify(next)) {
        tell({ event: "itemUpdated", item: next });
      }
    } else if (before || next) {
      if (pinned() && isRead(before) && isRead(next)) {
        tell({ event: CHANGED, item: next });
      } else {
        loadPane();
      }
    }
  }

  function pressed(button, on) {
    button.setAttribute("aria-pressed", on ? "true" : "false");
  }

  function showPane(shown) {
    remember("closed", shown ? "0" : "1");
    byId("addin").hidden = !shown;
    document.body.toggleAttribute("data-closed", !shown);
    var button = byId("tandem-button");
    if (button) {
      pressed(button, shown);
    }
    if (!frame) {
      return;
    }
    if (shown) {
      loadPane();
    } else {
      frame.removeAttribute("src");
      if (button) {
        button.focus();
      }
    }
  }

  window.addEventListener("message", function (event) {
    if (!frame || event.source !== frame.contentWindow || event.origin !== paneOrigin) {
      return;
    }
    var data = event.data;
    if (!data || data.mark !== MARK) {
      return;
    }
    if (data.hello) {
      tell({ welcome: setup, item: item });
    } else if (data.close) {
      showPane(false);
    } else if (data.ask) {
      Promise.resolve()
        .then(function () {
          return answer(data.ask, data.given || [], data.item);
        })
        .catch(function (error) {
          return { error: { code: 9020, name: "GenericResponseError", message: String(error && error.message) } };
        })
        .then(function (told) {
          tell({ answers: data.id, value: told.value, error: told.error });
        });
    }
  });

  // ---------------------------------------------------------------- what an add-in asks for

  function server(name, given, form) {
    var body = { name: name, given: given, item: item && item.itemId, kind: item && item.kind, form: form };
    return fetch("/rpc", { method: "POST", body: JSON.stringify(body) }).then(function (response) {
      if (!response.ok) {
        throw new Error("the preview answered " + response.status);
      }
      return response.json();
    });
  }

  function answer(name, given, about) {
    if (name === "display") {
      visit("/open/" + given[0] + "/" + encodeURIComponent(given[1].replace(/\//g, "-").replace(/\+/g, "_")));
      return { value: undefined };
    }
    if (name === "new") {
      return fresh(given[0], given[1] || {});
    }
    if (name === "reply") {
      visit("/new/mail?reply=" + encodeURIComponent(item.itemId.replace(/\//g, "-").replace(/\+/g, "_")));
      return { value: undefined };
    }
    if (name.indexOf("masterCategories.") === 0 || name === "roaming.save") {
      return server(name, given);
    }
    if (!item || (about && about !== item.key)) {
      return { error: { code: 9030, name: "InvalidItem", message: "The item is no longer open." } };
    }
    var form = byId("compose");
    if (item.mode === "compose" && form) {
      return write(form, name, given);
    }
    return server(name, given);
  }

  function fresh(kind, given) {
    var query = new URLSearchParams();
    var people = function (name, list) {
      if (list && list.length) {
        query.set(name, list.map(function (one) { return one.emailAddress || one; }).join("; "));
      }
    };
    if (given.subject) {
      query.set("subject", given.subject);
    }
    if (kind === "mail") {
      people("to", given.toRecipients);
      people("cc", given.ccRecipients);
    } else {
      people("required", given.requiredAttendees);
      people("optional", given.optionalAttendees);
      if (given.location) {
        query.set("location", given.location);
      }
      if (given.start) {
        query.set("day", new Date(given.start).toISOString().slice(0, 10));
      }
    }
    visit("/new/" + (kind === "mail" ? "mail" : "event") + "?" + query);
    return { value: undefined };
  }

  function details(text) {
    return text
      .split(/[;,\n]/)
      .map(function (one) { return one.trim(); })
      .filter(Boolean)
      .map(function (one) {
        var match = one.match(/^"?([^"<]*)"?\s*<([^>]*)>$/);
        var address = match ? match[2].trim() : one;
        return { displayName: (match && match[1].trim()) || address, emailAddress: address, recipientType: "other" };
      });
  }

  function written(list) {
    return (list || [])
      .map(function (one) {
        if (typeof one === "string") {
          return one;
        }
        return one.displayName && one.displayName !== one.emailAddress
          ? one.displayName + " <" + one.emailAddress + ">"
          : one.emailAddress;
      })
      .join("; ");
  }

  function kept(form, name) {
    return JSON.parse(form.elements[name].value || "null");
  }

  function keep(form, name, value) {
    form.elements[name].value = JSON.stringify(value);
  }

  function write(form, name, given) {
    var parts = name.split(":");
    var box = parts[1] && form.elements[parts[1]];
    var offset = Number(form.dataset.offset || 0) * 60000;
    var isTime = parts[1] === "start" || parts[1] === "end";
    var isPeople = ["to", "cc", "bcc", "required", "optional"].indexOf(parts[1]) >= 0;
    switch (parts[0]) {
      case "field.get":
        if (isTime) {
          return { value: new Date(Date.parse(box.value + ":00Z") - offset).toISOString() };
        }
        return { value: isPeople ? details(box.value) : box.value };
      case "field.set":
        if (isTime) {
          box.value = new Date(Number(new Date(given[0])) + offset).toISOString().slice(0, 16);
        } else {
          box.value = isPeople ? written(given[0]) : String(given[0]);
        }
        return {};
      case "field.add":
        box.value = [box.value, written(given[0])].filter(Boolean).join("; ");
        return {};
      case "body.get":
        return { value: given[0] === "html" ? html(form.elements.body.value) : form.elements.body.value };
      case "body.set":
        form.elements.body.value = String(given[0]);
        return {};
      case "headers.get":
        return { value: pick(kept(form, "headers"), given[0]) };
      case "headers.set":
        keep(form, "headers", Object.assign(kept(form, "headers"), given[0]));
        return {};
      case "headers.remove":
        keep(form, "headers", leave(kept(form, "headers"), given[0]));
        return {};
      case "categories.get":
      case "categories.add":
      case "categories.remove":
        return categories(form, name, given);
      case "attachments.get":
        return { value: (item.attachments || []).concat(local(form)) };
      case "attachment":
        return attachment(form, given);
      case "save":
        return save(form);
      case "close":
        visit("/mail/inbox");
        return {};
      default:
        return server(name, given);
    }
  }

  function html(text) {
    var box = document.createElement("div");
    box.textContent = text;
    return "<html><body>" + box.innerHTML.replace(/\n/g, "<br>") + "</body></html>";
  }

  function pick(all, names) {
    var out = {};
    names.forEach(function (name) {
      if (name in all) {
        out[name] = all[name];
      }
    });
    return out;
  }

  function leave(all, names) {
    names.forEach(function (name) {
      delete all[name];
    });
    return all;
  }

  function local(form) {
    if (!form.elements.attachments) {
      return [];
    }
    return kept(form, "attachments").map(function (one, n) {
      return {
        id: "local-" + n, name: one.name, size: one.size, isInline: false, attachmentType: "file", contentType: one.contentType,
      };
    });
  }

  function attachment(form, given) {
    var match = /^local-(\d+)$/.exec(given[0]);
    if (!match) {
      return server("attachment", given);
    }
    return { value: { content: kept(form, "attachments")[Number(match[1])].content, format: "base64" } };
  }

  function categories(form, name, given) {
    return server("masterCategories.get", []).then(function (master) {
      var own = kept(form, "categories");
      var names = (given[0] || []).map(function (one) { return one.displayName || one; });
      var colour = function (name) {
        var known = master.value.filter(function (one) { return one.displayName === name; })[0];
        return known && known.color;
      };
      if (name === "categories.get") {
        return { value: own.map(function (one) { return { displayName: one, color: colour(one) || "None" }; }) };
      }
      if (name === "categories.add") {
        var unknown = names.filter(function (one) { return !colour(one); });
        if (unknown.length) {
          return { error: { code: 9050, name: "InvalidCategory", message: "'" + unknown[0] + "' is not in the master list." } };
        }
        own = own.concat(names.filter(function (one) { return own.indexOf(one) < 0; }));
      } else {
        own = own.filter(function (one) { return names.indexOf(one) < 0; });
      }
      keep(form, "categories", own);
      var chips = byId("compose-chips");
      chips.textContent = "";
      own.forEach(function (one) {
        var chip = document.createElement("span");
        chip.className = "chip " + String(colour(one) || "none").toLowerCase();
        chip.textContent = one;
        chips.append(chip);
      });
      // What is saved already is marked at once.
      return item.itemId ? server(name, given) : {};
    });
  }

  function save(form) {
    return server("save", [], String(new URLSearchParams(new FormData(form)))).then(function (told) {
      if (told.error) {
        return told;
      }
      form.elements.id.value = told.value.id;
      // The same item, which has an id now. What was attached is in it.
      item = Object.assign({}, told.value.item, { key: item.key });
      if (form.elements.attachments) {
        keep(form, "attachments", []);
      }
      tell({ event: "itemUpdated", item: item });
      return { value: item.itemId };
    });
  }

  // ---------------------------------------------------------------- pages

  var visits = 0;

  function visit(url, options) {
    var given = options || {};
    visits += 1;
    var mine = visits;
    return fetch(url, { method: given.method || "GET", body: given.body, headers: { "preview-part": "1" } })
      .then(function (response) {
        return response.text().then(function (text) {
          if (mine === visits) {
            place(text, new URL(response.url), given.quiet);
          }
        });
      })
      .catch(function () {
        say("The sandbox does not answer.");
      });
  }

  function scrolls() {
    return [".list ul", ".hours", ".folders"].map(function (selector) {
      var box = document.querySelector(selector);
      return [selector, box ? box.scrollTop : 0];
    });
  }

  function place(text, url, quiet) {
    var next = new DOMParser().parseFromString(text, "text/html").getElementById("page");
    if (!next) {
      window.location.assign(url.href);
      return;
    }
    var page = byId("page");
    var focused = document.activeElement && page.contains(document.activeElement) ? document.activeElement.id : null;
    var kept = page.dataset.app === next.dataset.app ? scrolls() : [];
    page.replaceWith(next);
    kept.forEach(function (one) {
      var box = document.querySelector(one[0]);
      if (box) {
        box.scrollTop = one[1];
      }
    });
    document.title = next.dataset.title + " | Tandem";
    ["mail", "calendar"].forEach(function (app) {
      var link = byId("app-" + app);
      if (next.dataset.app === app) {
        link.setAttribute("aria-current", "page");
      } else {
        link.removeAttribute("aria-current");
      }
    });
    if (!quiet) {
      if (url.pathname + url.search !== window.location.pathname + window.location.search) {
        window.history.pushState(null, "", url.pathname + url.search);
      }
      say(next.dataset.title);
    }
    var again = focused && byId(focused);
    if (again) {
      again.focus({ preventScroll: true });
    } else if (focused !== null && !quiet && byId("reading")) {
      byId("reading").focus({ preventScroll: true });
    }
    settle();
    adopt(json("item"));
  }

  // What a page needs beyond its HTML.
  function settle() {
    var button = byId("tandem-button");
    if (button) {
      pressed(button, !document.body.hasAttribute("data-closed"));
    }
    var hours = byId("hours");
    if (hours && !hours.scrollTop) {
      // The working day, or what is before it.
      var morning = hours.querySelector(".from-32").offsetTop;
      var first = hours.querySelector(".slots li");
      hours.scrollTop = Math.min(morning, first ? first.offsetTop : morning) - 12;
    }
  }

  document.addEventListener("click", function (event) {
    var near = event.target.closest("a, button");
    if (!near) {
      return;
    }
    if (near.id === "tandem-button") {
      showPane(document.body.hasAttribute("data-closed"));
    } else if (near.id === "close") {
      showPane(false);
    } else if (near.id === "pin") {
      pressed(near, !pinned());
      remember("pinned", pinned() ? "1" : "0");
    } else if (near.id === "wide") {
      var wide = document.body.toggleAttribute("data-wide");
      pressed(near, wide);
      remember("wide", wide ? "1" : "0");
    } else if (
      near.matches("a[href^='/']") && !near.target && event.button === 0 &&
      !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey)
    ) {
      event.preventDefault();
      visit(near.href);
    }
  });

  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (!form.closest("#page") || form.method !== "post") {
      return;
    }
    event.preventDefault();
    var body = new URLSearchParams(new FormData(form, event.submitter));
    if (form.id !== "compose") {
      visit(form.action, { method: "POST", body: body });
      return;
    }
    // Not twice, and not without the files that are being read.
    if (event.submitter) {
      event.submitter.disabled = true;
    }
    reading.then(function () {
      if (form.elements.attachments) {
        body.set("attachments", form.elements.attachments.value);
      }
      visit(form.action, { method: "POST", body: body });
    });
  });

  document.addEventListener("change", function (event) {
    var box = event.target;
    if (box.id === "view-theme") {
      var theme = box.value === "dark" ? "dark" : "light";
      document.documentElement.dataset.theme = theme;
      remember("theme", theme);
      setup.theme = setup.themes[theme];
      tell({ event: "officeThemeChanged", theme: setup.theme, detail: { officeTheme: setup.theme } });
    } else if (box.form && box.form.id === "view") {
      if (box.id === "view-user") {
        // Who comes in looks at their own mailbox.
        byId("view-owner").value = box.value;
      }
      // Another mailbox has other items; all else is changed where one is.
      if (box.id !== "view-user" && box.id !== "view-owner") {
        byId("view-to").value = window.location.pathname + window.location.search;
      }
      box.form.submit();
    } else if (box.id === "attach") {
      attach(box);
    } else if (box.form && box.form.id === "compose") {
      touched(box.name);
    }
  });

  function touched(name) {
    var people = {};
    people[name] = true;
    if (["to", "cc", "bcc", "required", "optional"].indexOf(name) >= 0) {
      tell({ event: "olkRecipientsChanged", detail: { changedRecipientFields: people } });
    } else if (name === "start" || name === "end") {
      tell({ event: "olkAppointmentTimeChanged", detail: {} });
    }
  }

  var reading = Promise.resolve();

  function attach(box) {
    var form = box.form;
    var files = Array.prototype.slice.call(box.files);
    box.value = "";
    files.forEach(function (file) {
      reading = reading
        .then(function () {
          return new Promise(function (resolve, reject) {
            var reader = new FileReader();
            reader.onload = function () {
              resolve(String(reader.result));
            };
            reader.onerror = reject;
            reader.readAsDataURL(file);
          });
        })
        .then(function (url) {
          var all = kept(form, "attachments");
          var one = { name: file.name, size: file.size, contentType: file.type, content: url.slice(url.indexOf(",") + 1) };
          keep(form, "attachments", all.concat([one]));
          var line = document.createElement("li");
          var name = document.createElement("span");
          name.textContent = file.name;
          line.append(name);
          byId("compose-files").append(line);
          tell({ event: "olkAttachmentsChanged", detail: { attachmentStatus: "added", attachmentDetails: local(form).pop() } });
        });
    });
  }

  document.addEventListener("keydown", function (event) {
    var step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    var list = step && event.target.closest(".list ul, .slots");
    if (list) {
      var links = Array.prototype.slice.call(list.querySelectorAll("a"));
      var next = links[links.indexOf(document.activeElement) + step];
      if (next) {
        event.preventDefault();
        next.focus();
      }
    } else if (event.key === "Escape") {
      var menu = event.target.closest("details[open]");
      if (menu) {
        menu.open = false;
        menu.querySelector("summary").focus();
      }
    }
  });

  window.addEventListener("popstate", function () {
    visit(window.location.href, { quiet: true });
  });

  // What the sync did meanwhile is shown, unless somebody writes or chooses.
  window.setInterval(function () {
    if (document.hidden || byId("compose") || document.querySelector("#page details[open]")) {
      return;
    }
    fetch("/pulse")
      .then(function (response) { return response.json(); })
      .then(function (told) {
        if (seen !== null && told.seq !== seen) {
          visit(window.location.href, { quiet: true });
        }
        seen = told.seq;
      })
      .catch(function () {
        // It is asked again.
      });
  }, EVERY);

  document.documentElement.dataset.scripted = "";
  settle();
  loadPane();
})();
