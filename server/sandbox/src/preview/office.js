// What Office.js is to an add-in, as far as a sidebar needs it, for the preview beside the sandbox. Written after
// Microsoft's public reference; what a requirement set does not have is not there either.
// https://learn.microsoft.com/javascript/api/outlook
// https://learn.microsoft.com/javascript/api/requirement-sets/outlook/outlook-api-requirement-sets
//
// In the frame it asks the shell around it, by messages; it believes messages of the shell's window and origin alone,
// which is the origin that this file came from. As a page of its own, or in a stranger's frame, there is no host.
(function () {
  "use strict";
  var home = new URL(document.currentScript.src).origin;
  var DIALOG = "tandem-preview-dialog";
  var MARK = "tandem-preview";
  // A stranger's frame never answers: after so many milliseconds there is no host.
  var PATIENCE = 3000;

  // As the real one does it, for it does not want add-ins to navigate.
  window.history.pushState = null;
  window.history.replaceState = null;

  var Status = { Succeeded: "succeeded", Failed: "failed" };
  var EventType = {
    ItemChanged: "olkItemSelectedChanged",
    RecipientsChanged: "olkRecipientsChanged",
    AppointmentTimeChanged: "olkAppointmentTimeChanged",
    AttachmentsChanged: "olkAttachmentsChanged",
    OfficeThemeChanged: "officeThemeChanged",
    DialogMessageReceived: "dialogMessageReceived",
    DialogEventReceived: "dialogEventReceived",
    DialogParentMessageReceived: "dialogParentMessageReceived",
  };
  var Office = (window.Office = {
    AsyncResultStatus: Status,
    EventType: EventType,
    CoercionType: { Text: "text", Html: "html" },
    HostType: { Outlook: "Outlook" },
    PlatformType: { OfficeOnline: "OfficeOnline" },
    InitializationReason: { Inserted: "inserted", DocumentOpened: "documentOpened" },
    MailboxEnums: {
      ItemType: { Message: "message", Appointment: "appointment" },
      RestVersion: { v1_0: "v1.0", v2_0: "v2.0", Beta: "beta" },
      AttachmentType: { File: "file", Item: "item", Cloud: "cloud" },
      AttachmentStatus: { Added: "added", Removed: "removed" },
      RecipientType: { User: "user", ExternalUser: "externalUser", DistributionList: "distributionList", Other: "other" },
      ResponseType: {
        None: "none", Organizer: "organizer", Tentative: "tentative", Accepted: "accepted", Declined: "declined",
      },
      CategoryColor: { None: "None", Preset0: "Preset0", Preset4: "Preset4", Preset7: "Preset7" },
      EntityType: {},
    },
    context: {},
    initialize: null,
  });

  // ---------------------------------------------------------------- starting

  var waiting = [];
  var started = null;

  function start(info) {
    if (started) {
      return;
    }
    started = info;
    if (typeof Office.initialize === "function" && info.host) {
      Office.initialize(Office.InitializationReason.Inserted);
    }
    waiting.splice(0).forEach(function (one) {
      one(info);
    });
  }

  Office.onReady = function (callback) {
    return new Promise(function (resolve) {
      var told = function (info) {
        if (typeof callback === "function") {
          callback(info);
        }
        resolve(info);
      };
      if (started) {
        told(started);
      } else {
        waiting.push(told);
      }
    });
  };

  var HERE = { host: "Outlook", platform: "OfficeOnline" };
  var NOWHERE = { host: null, platform: null };

  // ---------------------------------------------------------------- results

  function split(given) {
    // (…, [options], [callback])
    var list = Array.prototype.slice.call(given);
    var callback = typeof list[list.length - 1] === "function" ? list.pop() : null;
    return { list: list, callback: callback };
  }

  function result(options, value, error) {
    return {
      status: error ? Status.Failed : Status.Succeeded,
      value: error ? undefined : value,
      error: error || undefined,
      asyncContext: options && options.asyncContext,
    };
  }

  function failure(code, name, message) {
    return { code: code, name: name, message: message };
  }

  // Office.js never calls back before the call has returned.
  function soon(callback, answer) {
    if (callback) {
      Promise.resolve().then(function () {
        callback(answer);
      });
    }
  }

  // ---------------------------------------------------------------- a dialog's own window

  if (window.parent === window) {
    var isDialog = false;
    try {
      isDialog = !!window.opener && window.name.indexOf(DIALOG) === 0;
    } catch {
      isDialog = false;
    }
    Office.context.ui = {};
    Office.context.requirements = { isSetSupported: function () { return false; } };
    if (isDialog) {
      Office.context.ui.messageParent = function (message, options) {
        var target = (options && options.targetOrigin) || window.location.origin;
        window.opener.postMessage({ mark: MARK, dialog: window.name, message: String(message) }, target);
      };
    }
    Promise.resolve().then(function () {
      start(isDialog ? HERE : NOWHERE);
    });
    return;
  }

  // ---------------------------------------------------------------- the shell around the frame

  var asked = 0;
  var open = {};
  var handlers = {};
  var setup = null;
  var raw = null;
  var item = null;

  function tell(message) {
    message.mark = MARK;
    window.parent.postMessage(message, home);
  }

  function ask(name, given, options, callback) {
    asked += 1;
    open[asked] = function (answer) {
      if (callback) {
        callback(result(options, answer.value, answer.error));
      }
    };
    tell({ ask: name, id: asked, item: raw && raw.key, given: given });
  }

  // A method (…, [options], [callback]) of which the first `count` arguments go to the shell.
  function asking(name, count) {
    return function () {
      var call = split(arguments);
      var options = call.list.length > count ? call.list[count] : undefined;
      ask(name, call.list.slice(0, count), options, call.callback);
    };
  }

  // A value that the shell has sent already.
  function known(read) {
    return function () {
      var call = split(arguments);
      var answer;
      try {
        answer = result(call.list[call.list.length - 1], read.apply(null, call.list));
      } catch (error) {
        answer = result(undefined, undefined, failure(9020, "GenericResponseError", String(error && error.message)));
      }
      soon(call.callback, answer);
    };
  }

  window.addEventListener("message", function (event) {
    if (event.source !== window.parent || event.origin !== home || !event.data || event.data.mark !== MARK) {
      return;
    }
    var data = event.data;
    if (data.welcome && !setup) {
      setup = data.welcome;
      furnish();
      show(data.item);
      start(HERE);
    } else if (data.answers && open[data.answers]) {
      var answer = open[data.answers];
      delete open[data.answers];
      answer(data);
    } else if (data.event && setup) {
      if (data.event === EventType.ItemChanged) {
        show(data.item);
      } else if (data.event === EventType.OfficeThemeChanged) {
        setup.theme = data.theme;
        Office.context.officeTheme = data.theme;
      } else if (data.item) {
        // The same item, of which something has changed.
        raw = data.item;
      }
      (handlers[data.event] || []).slice().forEach(function (handler) {
        handler(Object.assign({ type: data.event }, data.detail));
      });
    }
  });

  function subscribe() {
    return {
      add: function (type, handler) {
        var call = split(arguments);
        // Two functions: the handler, and the callback.
        var listener = call.list.length > 1 ? handler : call.callback;
        var callback = call.list.length > 1 ? call.callback : null;
        (handlers[type] = handlers[type] || []).push(listener);
        soon(callback, result(call.list[2]));
      },
      remove: function (type) {
        var call = split(arguments);
        handlers[type] = [];
        soon(call.callback, result(call.list[1]));
      },
    };
  }

  function has(version) {
    return setup.mailboxSet >= version;
  }

  // ---------------------------------------------------------------- the context

  function furnish() {
    var context = Office.context;
    context.host = "Outlook";
    context.platform = "OfficeOnline";
    context.displayLanguage = setup.language;
    context.contentLanguage = setup.language;
    context.officeTheme = setup.theme;
    context.diagnostics = { host: "Outlook", platform: "OfficeOnline", version: "16.0.0.0" };
    context.requirements = {
      isSetSupported: function (name, version) {
        if (String(name).toLowerCase() === "dialogapi") {
          return Number(version || 1.1) <= 1.2;
        }
        // 1.10 is more than 1.9.
        var minor = Number(String(version || "1.1").split(".")[1] || 0);
        return String(name).toLowerCase() === "mailbox" && minor <= setup.mailboxSet;
      },
    };
    var events = subscribe();
    var mailbox = (context.mailbox = {
      item: null,
      diagnostics: { hostName: "OutlookWebApp", hostVersion: "16.0.0.0", OWAView: "ThreeColumns" },
      ewsUrl: setup.ewsUrl,
      restUrl: setup.restUrl,
      userProfile: {
        displayName: setup.user.name,
        emailAddress: setup.user.address,
        timeZone: setup.zone,
      },
      convertToLocalClientTime: function (time) {
        return {
          year: time.getFullYear(), month: time.getMonth(), date: time.getDate(), hours: time.getHours(),
          minutes: time.getMinutes(), seconds: time.getSeconds(), milliseconds: time.getMilliseconds(),
          timezoneOffset: -time.getTimezoneOffset(),
        };
      },
      convertToUtcClientTime: function (local) {
        return new Date(
          local.year, local.month, local.date, local.hours, local.minutes, local.seconds, local.milliseconds,
        );
      },
      displayMessageForm: function (id) {
        ask("display", ["message", id]);
      },
      displayAppointmentForm: function (id) {
        ask("display", ["appointment", id]);
      },
      displayNewAppointmentForm: function (given) {
        ask("new", ["event", given]);
      },
    });
    if (has(3)) {
      mailbox.convertToRestId = function (id) {
        return String(id).replace(/\//g, "-").replace(/\+/g, "_");
      };
      mailbox.convertToEwsId = function (id) {
        return String(id).replace(/-/g, "/").replace(/_/g, "+");
      };
    }
    if (has(5)) {
      mailbox.addHandlerAsync = events.add;
      mailbox.removeHandlerAsync = events.remove;
    }
    if (has(6)) {
      mailbox.userProfile.accountType = setup.accountType;
      mailbox.displayNewMessageForm = function (given) {
        ask("new", ["mail", given]);
      };
    }
    if (has(8)) {
      mailbox.masterCategories = {
        getAsync: asking("masterCategories.get", 0),
        addAsync: asking("masterCategories.add", 1),
        removeAsync: asking("masterCategories.remove", 1),
      };
    }
    context.roamingSettings = roaming();
    context.ui = { displayDialogAsync: displayDialog, closeContainer: function () { tell({ close: true }); } };
    if (setup.popupsBlocked) {
      window.open = function () {
        return null;
      };
    }
  }

  function roaming() {
    var values = setup.roaming || {};
    return {
      get: function (name) {
        return values[name];
      },
      set: function (name, value) {
        values[name] = value;
      },
      remove: function (name) {
        delete values[name];
      },
      saveAsync: function () {
        var call = split(arguments);
        ask("roaming.save", [values], call.list[0], call.callback);
      },
    };
  }

  // ---------------------------------------------------------------- dialogs

  var dialogOpen = null;
  var dialogs = 0;

  function displayDialog(address) {
    var call = split(arguments);
    var options = call.list[1] || {};
    var url = new URL(address, window.location.href);
    if (url.protocol !== "https:" && url.hostname !== "localhost" && url.hostname !== "127.0.0.1") {
      soon(call.callback, result(options, undefined, failure(12005, "InvalidUrl", "The address must be https.")));
      return;
    }
    if (dialogOpen && !dialogOpen.closed) {
      soon(call.callback, result(options, undefined, failure(12007, "DialogAlreadyOpened", "A dialog is open already.")));
      return;
    }
    var width = Math.round((window.screen.availWidth * (options.width || 80)) / 100);
    var height = Math.round((window.screen.availHeight * (options.height || 80)) / 100);
    dialogs += 1;
    var name = DIALOG + "-" + dialogs;
    var win = setup.popupsBlocked ? null : window.open(url.href, name, "popup,width=" + width + ",height=" + height);
    if (!win) {
      soon(call.callback, result(options, undefined, failure(12011, "PopupsBlocked", "The browser blocks pop-ups.")));
      return;
    }
    dialogOpen = win;
    var listeners = {};
    var emit = function (type, event) {
      (listeners[type] || []).forEach(function (listener) {
        listener(event);
      });
    };
    var heard = function (event) {
      if (event.source === win && event.data && event.data.mark === MARK && event.data.dialog === name) {
        emit(EventType.DialogMessageReceived, { type: EventType.DialogMessageReceived, message: event.data.message, origin: event.origin });
      }
    };
    window.addEventListener("message", heard);
    // No browser tells of the end of another window.
    var watch = window.setInterval(function () {
      if (win.closed) {
        over();
        emit(EventType.DialogEventReceived, { type: EventType.DialogEventReceived, error: 12006 });
      }
    }, 300);
    var over = function () {
      window.clearInterval(watch);
      window.removeEventListener("message", heard);
      dialogOpen = null;
    };
    soon(call.callback, result(options, {
      addEventHandler: function (type, listener) {
        (listeners[type] = listeners[type] || []).push(listener);
      },
      close: function () {
        over();
        win.close();
      },
    }));
  }

  // ---------------------------------------------------------------- the item

  function date(text) {
    return text ? new Date(text) : undefined;
  }

  function show(next) {
    raw = next || null;
    item = raw && build();
    Office.context.mailbox.item = item;
  }

  function categories() {
    return {
      getAsync: asking("categories.get", 0),
      addAsync: asking("categories.add", 1),
      removeAsync: asking("categories.remove", 1),
    };
  }

  function build() {
    var compose = raw.mode === "compose";
    var appointment = raw.itemType === "appointment";
    var one = {
      itemType: raw.itemType,
      body: { getAsync: asking("body.get", 1) },
      loadCustomPropertiesAsync: known(function () {
        return { get: function () {}, set: function () {}, remove: function () {}, saveAsync: known(function () {}) };
      }),
    };
    if (has(8)) {
      one.categories = categories();
      if (raw.owner) {
        one.getSharedPropertiesAsync = known(function () {
          return { owner: raw.owner, targetMailbox: raw.owner, delegatePermissions: 7, targetRestUrl: setup.restUrl };
        });
      }
    }
    if (compose) {
      write(one, appointment);
    } else {
      read(one, appointment);
    }
    return one;
  }

  function read(one, appointment) {
    one.itemId = raw.itemId;
    one.itemClass = raw.itemClass;
    one.subject = raw.subject;
    one.normalizedSubject = raw.normalizedSubject;
    one.dateTimeCreated = date(raw.created);
    one.dateTimeModified = date(raw.modified);
    one.attachments = raw.attachments;
    if (appointment || raw.start) {
      one.start = date(raw.start);
      one.end = date(raw.end);
      one.location = raw.location;
    }
    if (appointment) {
      one.organizer = raw.organizer;
      one.requiredAttendees = raw.required;
      one.optionalAttendees = raw.optional;
    } else {
      one.conversationId = raw.conversationId;
      one.internetMessageId = raw.internetMessageId;
      one.from = raw.from;
      one.sender = raw.sender;
      one.to = raw.to;
      one.cc = raw.cc;
    }
    if (has(7) && (appointment || raw.start)) {
      one.seriesId = raw.seriesId;
    }
    if (has(8)) {
      one.getAttachmentContentAsync = asking("attachment", 1);
    }
    one.displayReplyForm = function (given) {
      ask("reply", [given]);
    };
    one.displayReplyAllForm = one.displayReplyForm;
  }

  function write(one, appointment) {
    var field = function (name) {
      return { getAsync: asking("field.get:" + name, 0), setAsync: asking("field.set:" + name, 1) };
    };
    var people = function (name) {
      var all = field(name);
      all.addAsync = asking("field.add:" + name, 1);
      return all;
    };
    one.subject = field("subject");
    one.body.setAsync = asking("body.set", 1);
    one.saveAsync = asking("save", 0);
    one.close = function () {
      ask("close", []);
    };
    if (appointment) {
      one.start = field("start");
      one.end = field("end");
      ["start", "end"].forEach(function (name) {
        // Messages carry dates, but a reader of logs sees texts.
        var get = one[name].getAsync;
        one[name].getAsync = function () {
          var call = split(arguments);
          get(call.list[0] || {}, function (answer) {
            answer.value = date(answer.value);
            if (call.callback) {
              call.callback(answer);
            }
          });
        };
      });
      one.location = field("location");
      one.requiredAttendees = people("required");
      one.optionalAttendees = people("optional");
      if (has(7)) {
        one.organizer = { getAsync: known(function () { return raw.organizer; }) };
        one.seriesId = raw.seriesId;
        one.recurrence = raw.seriesId ? { getAsync: known(function () { return { seriesId: raw.seriesId }; }) } : null;
      }
    } else {
      one.conversationId = raw.conversationId;
      one.to = people("to");
      one.cc = people("cc");
      one.bcc = people("bcc");
      if (has(7)) {
        one.from = { getAsync: known(function () { return raw.from; }) };
      }
      if (has(8)) {
        one.internetHeaders = {
          getAsync: asking("headers.get", 1),
          setAsync: asking("headers.set", 1),
          removeAsync: asking("headers.remove", 1),
        };
      }
    }
    if (has(7)) {
      var events = subscribe();
      one.addHandlerAsync = events.add;
      one.removeHandlerAsync = events.remove;
    }
    if (has(8)) {
      one.getAttachmentsAsync = asking("attachments.get", 0);
      one.getAttachmentContentAsync = asking("attachment", 1);
      one.getItemIdAsync = known(function () {
        if (!raw.itemId) {
          throw new Error("The item was never saved.");
        }
        return raw.itemId;
      });
    }
    if (has(15)) {
      var kept = {};
      one.sessionData = {
        getAsync: known(function (name) { return kept[name]; }),
        setAsync: known(function (name, value) { kept[name] = String(value); }),
        getAllAsync: known(function () { return Object.assign({}, kept); }),
      };
    }
  }

  tell({ hello: 1 });
  window.setTimeout(function () {
    start(NOWHERE);
  }, PATIENCE);
})();
